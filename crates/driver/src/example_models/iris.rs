//! `iris`: which of three species a flower is, by softmax regression on four lengths.
//!
//! Inference reads one flower a line, `5.1,3.5,1.4,0.2`, and writes one answer a line,
//! `{"species":"setosa","probability":0.98}`. Training reads the same with the species at the end, holds out every fifth flower
//! of a species, and writes a matrix of 3×5: a row for each species, with a constant and a weight for each length.
//! `examples/models/iris` describes the rest.

use std::{
    io::{BufRead, Read, Write},
    path::Path,
};

use super::{failure::Failure, npy};

/// The species, in the order of the rows of [`Weights`].
const SPECIES: [&str; 3] = ["setosa", "versicolor", "virginica"];

/// A constant and a weight for each length, for each species.
type Weights = [[f64; 5]; 3];

/// Sepal length, sepal width, petal length, petal width, in cm.
type Lengths = [f64; 4];

/// The result of `train` on `examples/models/iris/iris.csv`; a test compares them.
const BUILT_IN: Weights = [
    [5.488095, -1.195554, 2.388749, -0.949539, -2.108276],
    [2.367329, 0.740321, -0.999252, -0.184212, -0.989537],
    [-7.855423, 0.455233, -1.389497, 1.133751, 3.097814],
];

/// Steps of gradient descent; more do not change the digits of [`BUILT_IN`].
const STEPS: usize = 2_000;
/// Step size, on standardised lengths.
const RATE: f64 = 0.8;
/// Penalty on large weights, which keeps probabilities moderate.
const PENALTY: f64 = 0.01;

/// One in this many flowers of each species is held out to measure accuracy.
const HOLD_OUT: usize = 5;

/// Maximum length of a line, in bytes.
const LINE_BYTES: u64 = 4096;

const EXPECTED: &str = "expected four lengths in cm (sepal length, sepal width, petal length, petal width), such as \
                        5.1,3.5,1.4,0.2";
const EXPECTED_TRAINING: &str = "expected four lengths in cm and a species (setosa, versicolor or virginica), such as \
                                 5.1,3.5,1.4,0.2,setosa";

/// Classifies every flower.
pub(super) fn infer(flowers: impl BufRead, answers: impl Write, weights: Option<&Path>) -> Result<(), Failure> {
    let weights = match weights {
        None => BUILT_IN,
        Some(path) => {
            let file = mer_files::read_external(path).map_err(|source| {
                Failure::Message(format!("cannot read the weights `{}`: {source}", path.display()))
            })?;
            npy::decode(&file).map_err(|what| Failure::Message(format!("the weights `{}` {what}", path.display())))?
        }
    };
    let mut answers = std::io::BufWriter::new(answers);
    let asked = each_line(flowers, EXPECTED, |number, line| {
        let wrong = || Failure::Message(format!("line {number}: `{line}` is no flower; {EXPECTED}"));
        let mut fields = line.split(',');
        let lengths = lengths(&mut fields).filter(|_| fields.next().is_none()).ok_or_else(wrong)?;
        let (species, probability) = best(&probabilities(&weights, &lengths));
        let rounded = (probability * 100.0).round() / 100.0;
        Ok(writeln!(answers, r#"{{"species":"{}","probability":{rounded:?}}}"#, SPECIES[species])?)
    });
    // Answers before an invalid line are still written.
    answers.flush()?;
    if asked? == 0 {
        Err(Failure::Message(format!("there is no flower on standard input; {EXPECTED}")))
    } else {
        Ok(())
    }
}

/// Learns weights and reports their accuracy on the flowers that were held out.
pub(super) fn train(flowers: impl BufRead, mut report: impl Write, out: Option<&Path>) -> Result<(), Failure> {
    let out = out.ok_or_else(|| {
        Failure::Message("MER_WEIGHTS_OUT is not set: it is the path that the weights are written to".to_owned())
    })?;
    let (learned_from, held_out) = read(flowers)?;
    let weights = fit(&learned_from);
    let right = held_out.iter().filter(|(lengths, species)| best(&probabilities(&weights, lengths)).0 == *species);
    let (right, all) = (right.count(), held_out.len());
    writeln!(
        report,
        "iris: learned from {} flowers; {right} of {all} held out are right ({:.1} %)",
        learned_from.len(),
        100.0 * right as f64 / all as f64
    )?;
    let written = mer_files::external().write().create(0o666).truncate().open(out);
    written
        .and_then(|mut file| file.write_all(&npy::encode(&weights)))
        .map_err(|source| Failure::Message(format!("cannot write the weights `{}`: {source}", out.display())))
}

type Labelled = (Lengths, usize);

/// Reads labelled flowers; returns those to learn from and those held out.
fn read(flowers: impl BufRead) -> Result<(Vec<Labelled>, Vec<Labelled>), Failure> {
    let (mut learn, mut hold) = (Vec::new(), Vec::new());
    let mut seen = [0_usize; SPECIES.len()];
    each_line(flowers, EXPECTED_TRAINING, |number, line| {
        // The first line may have the names of the columns.
        if number == 1 && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(());
        }
        let wrong = || Failure::Message(format!("line {number}: `{line}` is no labelled flower; {EXPECTED_TRAINING}"));
        let mut fields = line.split(',');
        let lengths = lengths(&mut fields).ok_or_else(wrong)?;
        let name = fields.next().filter(|_| fields.next().is_none()).ok_or_else(wrong)?;
        let species = SPECIES.iter().position(|known| *known == name.trim()).ok_or_else(wrong)?;
        if seen[species] % HOLD_OUT == 0 {
            hold.push((lengths, species));
        } else {
            learn.push((lengths, species));
        }
        seen[species] += 1;
        Ok(())
    })?;
    for (species, count) in SPECIES.iter().zip(seen) {
        if count < HOLD_OUT {
            return Err(Failure::Message(format!(
                "there are {count} flowers of {species}; at least {HOLD_OUT} are needed"
            )));
        }
    }
    Ok((learn, hold))
}

/// Minimises the mean log loss by gradient descent. It runs on lengths with mean 0 and deviation 1, for which one step size
/// suits all; the returned weights are for lengths in cm. The result is deterministic.
fn fit(flowers: &[Labelled]) -> Weights {
    let count = flowers.iter().map(|_| 1.0).sum::<f64>();
    let mut mean = [0.0; 4];
    let mut deviation = [0.0; 4];
    for (lengths, _) in flowers {
        for (sum, length) in mean.iter_mut().zip(lengths) {
            *sum += length / count;
        }
    }
    for (lengths, _) in flowers {
        for i in 0..4 {
            deviation[i] += (lengths[i] - mean[i]).powi(2) / count;
        }
    }
    // A length that is the same in all flowers must not divide by 0.
    let deviation = deviation.map(|variance: f64| if variance > 0.0 { variance.sqrt() } else { 1.0 });
    let standard: Vec<Labelled> = flowers
        .iter()
        .map(|(lengths, species)| (std::array::from_fn(|i| (lengths[i] - mean[i]) / deviation[i]), *species))
        .collect();

    let mut weights: Weights = Default::default();
    for _ in 0..STEPS {
        let mut gradient: Weights = weights.map(|row| row.map(|weight| weight * PENALTY));
        for row in &mut gradient {
            row[0] = 0.0;
        }
        for (lengths, species) in &standard {
            for (row, probability) in probabilities(&weights, lengths).into_iter().enumerate() {
                let error = (probability - if row == *species { 1.0 } else { 0.0 }) / count;
                gradient[row][0] += error;
                for i in 0..4 {
                    gradient[row][i + 1] += error * lengths[i];
                }
            }
        }
        for (weight, slope) in weights.as_flattened_mut().iter_mut().zip(gradient.as_flattened()) {
            *weight -= RATE * slope;
        }
    }
    weights.map(|row| {
        let mut in_cm = row;
        for i in 0..4 {
            in_cm[i + 1] = row[i + 1] / deviation[i];
            in_cm[0] -= in_cm[i + 1] * mean[i];
        }
        in_cm
    })
}

/// Returns the softmax of the three scores.
fn probabilities(weights: &Weights, lengths: &Lengths) -> [f64; 3] {
    let scores = weights.map(|row| row[0] + row[1..].iter().zip(lengths).map(|(w, l)| w * l).sum::<f64>());
    // The largest score becomes 0, so that no exponential overflows.
    let largest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let powers = scores.map(|score| (score - largest).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// Returns the species with the largest probability, the first of equals.
fn best(probabilities: &[f64; 3]) -> (usize, f64) {
    let mut best = (0, probabilities[0]);
    for (species, probability) in probabilities.iter().copied().enumerate() {
        if probability > best.1 {
            best = (species, probability);
        }
    }
    best
}

/// Four finite numbers off the front of a line's fields.
fn lengths<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Lengths> {
    let mut lengths = Lengths::default();
    for length in &mut lengths {
        // Beyond this no arithmetic on them is trustworthy, and no flower is that long.
        *length = fields.next()?.trim().parse().ok().filter(|number: &f64| number.abs() < 1e6)?;
    }
    Some(lengths)
}

/// Calls `take` with number and text of each line, and returns how many there were. Empty lines are allowed at the end
/// only: in the middle they would shift answers against questions.
fn each_line(
    mut input: impl BufRead,
    expected: &str,
    mut take: impl FnMut(usize, &str) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let (mut line, mut number, mut taken, mut empty) = (Vec::new(), 0, 0, None);
    loop {
        line.clear();
        if input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(taken);
        }
        number += 1;
        if line.len() as u64 == LINE_BYTES && !line.ends_with(b"\n") {
            return Err(Failure::Message(format!(
                "line {number}: the line is longer than {LINE_BYTES} bytes; {expected}"
            )));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            empty = empty.or(Some(number));
        } else if let Some(number) = empty {
            return Err(Failure::Message(format!("line {number}: the line is empty; {expected}")));
        } else {
            take(number, text)?;
            taken += 1;
        }
    }
}

#[cfg(test)]
mod tests;
