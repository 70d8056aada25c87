//! Rounds, medians, and the timing of processes.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Result;

/// The numbers of a contender's rounds.
#[derive(Debug, Clone)]
pub struct Sample {
    /// In ascending order.
    values: Vec<f64>,
}

impl Sample {
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { values }
    }

    pub fn one(value: f64) -> Self {
        Self { values: vec![value] }
    }

    /// Returns the value below which this share of the rounds lies.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.values.len().saturating_sub(1);
        self.values.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn rounds(&self) -> usize {
        self.values.len()
    }
}

/// A contender; a round of it returns a number.
pub type Contender<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

/// Runs a round of each to warm up, then `rounds` of each in turn.
pub fn in_turn(rounds: usize, contenders: &mut [Contender]) -> Result<Vec<Sample>> {
    let mut values = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..=rounds {
        for (values, contender) in values.iter_mut().zip(contenders.iter_mut()) {
            let value = contender()?;
            if round > 0 {
                values.push(value);
            }
        }
    }
    Ok(values.into_iter().map(Sample::new).collect())
}

/// Returns milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Returns how long something takes, in milliseconds.
pub fn time(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(ms(begun.elapsed()))
}

/// Runs a command to its end; the exit code must be 0. The caller chooses stdin and stdout; stderr is part of the error.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The same with an empty stdin and a discarded stdout.
pub fn run_silent(command: &mut Command) -> Result<()> {
    run(command.stdin(Stdio::null()).stdout(Stdio::null()))
}
