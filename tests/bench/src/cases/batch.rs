//! Batches: many short items beside other tools, many lines through one process, models that compute.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::row;
use crate::{
    Result, child,
    measure::{Contender, Sample, run as run_command, run_silent, time},
    report::{Limit, Row},
    sshd::Sshd,
    subject::{Bench, Subject},
};

const ROUNDS: usize = 3;
const ONESHOTS: usize = 10_000;
/// It takes milliseconds for each.
const ONESHOTS_OF_PARALLEL: usize = 2_000;
const LINES: usize = 1_000_000;
/// Number of lines that are left for a batch that is resumed.
const LEFT: usize = 1_000;
/// Number of items of some milliseconds.
const COMPUTED: usize = 4_000;
/// Seconds that one item takes in the middle of a batch.
const WAIT: usize = 60;

const HYPERQUEUE: &str = include_str!("hyperqueue.py");

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| format!("`{}`: {error}", path.display()))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| format!("`{}`: {error}", path.display()))
}

fn length(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|file| file.len()).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// Returns that many short lines.
fn lines_of(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns `mer batch` in the folder of the subject.
fn batch(subject: &Subject, arguments: &[&str]) -> Command {
    subject.command(&[&["batch", "--quiet"], arguments].concat())
}

/// Registers the model `answer`.
fn register_answer(bench: &Bench) -> Result<PathBuf> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let (registry, stamp) = (bench.work.join("answer.toml"), bench.work.join("stamp"));
    let command = format!("[{this:?}, {:?}, {stamp:?}]", child::ANSWER);
    write(&registry, &format!("[models.answer]\nprotocol = \"lines\"\ninferenceCommand = {command}\n"))?;
    bench.subjects.iter().try_for_each(|subject| subject.apply(&registry))?;
    Ok(stamp)
}

/// Many runs of a program that does nothing.
pub fn oneshots(bench: &Bench) -> Result<Vec<Row>> {
    let (count, count_of_parallel) = (bench.scaled(ONESHOTS), bench.scaled(ONESHOTS_OF_PARALLEL));
    let jobs = cores().to_string();
    let (numbers, few) = (bench.work.join("oneshots"), bench.work.join("few-oneshots"));
    write(&numbers, &lines_of(0..count))?;
    write(&few, &lines_of(0..count_of_parallel))?;
    let rate = |count: usize, milliseconds: f64| count as f64 / milliseconds * 1e3;
    let of = |subject: &Subject| {
        let input = numbers.to_string_lossy();
        let mut command = batch(subject, &["nothing", &input, "-o", "oneshots.out", "--force", "--jobs", &jobs]);
        let took = time(|| run_silent(&mut command))?;
        // What is on record is moved into the database afterwards, in the background; it must not disturb the others.
        run_silent(&mut subject.command(&["log", "drain"]))?;
        Ok(rate(count, took))
    };
    let xargs: Contender = Box::new(|| {
        let mut command = Command::new("xargs");
        command.args(["-n1", "-P", &jobs]).arg(&bench.nothing).stdin(open(&numbers)?).stdout(Stdio::null());
        Ok(rate(count, time(|| run_command(&mut command))?))
    });
    let parallel: Contender = Box::new(|| {
        let mut command = Command::new("parallel");
        command.args(["--will-cite", "-j", &jobs, "-a"]).arg(&few).arg(&bench.nothing);
        Ok(rate(count_of_parallel, time(|| run_silent(&mut command))?))
    });
    let mut beside = vec![xargs, parallel];
    let mut named = vec![("`xargs -n1 -P`", Limit::AtLeastShare(0.8)), ("GNU parallel", Limit::AtLeastShare(5.0))];
    if let Some(python) = &bench.hyperqueue {
        beside.push(Box::new(|| Ok(rate(count, hyperqueue(python, &bench.nothing, count, &bench.work)?))));
        named.push(("HyperQueue, one worker", Limit::AtLeastShare(3.0)));
    }
    let of = &of;
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), beside)?;
    let (ours, others) = samples.split_at(bench.subjects.len());
    let what = format!("a batch of {count} `oneshot` items of a program that does nothing, {jobs} at once");
    let with = |sample: &Sample| ours.iter().chain([sample]).cloned().collect();
    let rows = others.iter().zip(named);
    Ok(rows.map(|(other, (name, limit))| row(bench, &what, "items/s", limit, with(other), Some(name))).collect())
}

/// Returns the milliseconds of HyperQueue.
fn hyperqueue(python: &Path, program: &Path, count: usize, work: &Path) -> Result<f64> {
    let mut command = Command::new(python);
    command.args(["-c", HYPERQUEUE]).arg(program).args([count.to_string(), cores().to_string()]);
    command.current_dir(work).env("TMPDIR", work).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{}: {error}", python.display()))?;
    let told = String::from_utf8_lossy(&output.stdout);
    let last = told.lines().last().and_then(|line| line.trim().parse().ok());
    last.ok_or_else(|| format!("HyperQueue: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Many lines through one process, beside the same program with the file.
pub fn lines(bench: &Bench) -> Result<Vec<Row>> {
    let stamp = register_answer(bench)?;
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let count = bench.scaled(LINES);
    let input = bench.work.join("lines");
    write(&input, &lines_of(0..count))?;
    let name = input.to_string_lossy().into_owned();
    let rate = |milliseconds: f64| count as f64 / milliseconds * 1e3;
    let of = |subject: &Subject| {
        let mut command = batch(subject, &["answer", &name, "-o", "lines.out", "--force", "--jobs", "1"]);
        Ok(rate(time(|| run_silent(&mut command))?))
    };
    let beside: Contender = Box::new(|| {
        let mut command = Command::new(&this);
        let output = File::create(bench.work.join("alone.out")).map_err(|error| error.to_string())?;
        command.arg(child::ANSWER).arg(&stamp).stdin(open(&input)?).stdout(output);
        Ok(rate(time(|| run_command(&mut command))?))
    });
    let before = bench.each(rows_of_answer)?;
    let of = &of;
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![beside])?;
    let batches = (bench.scaled(ROUNDS) + 1) as f64;
    let after = bench.each(rows_of_answer)?;
    let recorded = after.iter().zip(&before).map(|(after, before)| (after.median() - before.median()) / batches);
    let recorded = recorded.map(Sample::one).collect();
    let ledgers = bench.each(|subject| Ok(length(&subject.home().join("lines.out.mer"))? as f64 / count as f64))?;
    let rss = bench.each(|subject| {
        let arguments = ["batch", "--quiet", "answer", &name, "-o", "lines.out", "--force", "--jobs", "1"];
        subject.peak(&arguments, |command| {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Ok(())
        })
    })?;
    let what = format!("a batch of {count} short lines through one process that flushes each");
    let name = Some("the same program with the file");
    Ok(vec![
        row(bench, &what, "items/s", Limit::AtLeastShare(0.6), samples, name),
        row(bench, "the same, peak memory", "MB", Limit::AtMost(most_memory(count)), rss, None),
        row(bench, "the same, ledger for an item", "bytes", Limit::AtMost(64.0), ledgers, None),
        row(bench, "the same, rows on record", "rows", Limit::AtMost(2_000.0), recorded, None),
    ])
}

/// Maximum memory of a batch of that many items, in MB.
fn most_memory(count: usize) -> f64 {
    64.0 + count as f64 * 32.0 / 1e6
}

/// Returns the number of accesses of the model `answer` that are on record.
fn rows_of_answer(subject: &Subject) -> Result<f64> {
    let mut command = subject.command(&["log", "list", "--json", "--limit", "1000000", "--model", "answer"]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(output.stdout.iter().filter(|byte| **byte == b'\n').count() as f64)
}

/// The memory of a batch in which one item takes long.
pub fn memory(bench: &Bench) -> Result<Vec<Row>> {
    register_answer(bench)?;
    let (count, wait) = (bench.scaled(LINES), bench.scaled(WAIT));
    let input = bench.work.join("lines-with-one");
    write(&input, &format!("{}wait {wait}\n{}", lines_of(0..count / 2), lines_of(count / 2 + 1..count)))?;
    let name = input.to_string_lossy().into_owned();
    let peaks = bench.each(|subject| {
        let arguments = ["batch", "--quiet", "answer", &name, "-o", "memory.out", "--force", "--jobs", "2"];
        subject.peak(&arguments, |command| {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Ok(())
        })
    })?;
    let what = format!("peak memory of a batch of {count} lines, one of which takes {wait} s");
    Ok(vec![row(bench, &what, "MB", Limit::AtMost(most_memory(count)), peaks, None)])
}

/// The time until the first new item of a batch that is nearly done.
pub fn resume(bench: &Bench) -> Result<Vec<Row>> {
    let stamp = register_answer(bench)?;
    let count = bench.scaled(LINES);
    let left = bench.scaled(LEFT);
    let input = bench.work.join("lines-to-resume");
    let name = input.to_string_lossy().into_owned();
    let mut samples = Vec::new();
    for subject in &bench.subjects {
        write(&input, &lines_of(0..count - left))?;
        let arguments = ["answer", &name, "-o", "resumed.out", "--jobs", "1"];
        run_silent(&mut batch(subject, &[&arguments[..], &["--force"]].concat()))?;
        let mut values = Vec::new();
        for round in 0..bench.scaled(ROUNDS) {
            write(&input, &lines_of(0..count + round * left))?;
            let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
            run_silent(&mut batch(subject, &[&arguments[..], &["--resume"]].concat()))?;
            let first = fs::read_to_string(&stamp).map_err(|error| error.to_string())?;
            let first: f64 = first.parse().map_err(|_| format!("`{}` has no time", stamp.display()))?;
            values.push(first / 1e6 - begun.as_secs_f64() * 1e3);
        }
        samples.push(Sample::new(values));
    }
    let what = format!("`mer batch --resume` with {} of {count} lines done, until the first new one", count - left);
    Ok(vec![row(bench, &what, "ms", Limit::AtMost(2_000.0), samples, None)])
}

/// The share of the processors that a model gets which computes.
pub fn compute(bench: &Bench) -> Result<Vec<Row>> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let folder = bench.work.join("used");
    let (first, second) = (bench.work.join("first"), bench.work.join("second"));
    for path in [&folder, &first, &second] {
        fs::create_dir_all(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    }
    let servers = [Sshd::start(&first)?, Sshd::start(&second)?];
    let registry = bench.work.join("compute.toml");
    let command = format!("protocol = \"lines\"\ninferenceCommand = [{this:?}, {:?}, {folder:?}]\n", child::COMPUTE);
    let text = format!(
        "{}{}[models.compute]\n{command}[models.compute-there]\nservers = ['first', 'second']\n{command}",
        servers[0].table("first"),
        servers[1].table("second")
    );
    write(&registry, &text)?;
    let count = bench.scaled(COMPUTED);
    let input = bench.work.join("computed");
    write(&input, &lines_of(0..count))?;
    let name = input.to_string_lossy().into_owned();
    let mut rows = Vec::new();
    for (what, model, jobs) in
        [("four processes", "compute", "4"), ("one process on each of two SSH replicas", "compute-there", "2")]
    {
        let mut used = Vec::new();
        let mut had = Vec::new();
        for subject in &bench.subjects {
            subject.apply(&registry)?;
            for file in fs::read_dir(&folder).map_err(|error| error.to_string())?.flatten() {
                fs::remove_file(file.path()).map_err(|error| error.to_string())?;
            }
            let begun = Instant::now();
            run_silent(&mut batch(subject, &[model, &name, "-o", "computed.out", "--force", "--jobs", jobs]))?;
            had.push(begun.elapsed().as_secs_f64() * cores().min(jobs.parse().unwrap_or(1)) as f64);
            used.push(Sample::one(sum_of(&folder)?));
        }
        let beside = Sample::new(had);
        let what = format!("a batch of {count} items that compute for 5 ms each, {what}: processor time of the model");
        let samples = used.into_iter().chain([beside]).collect();
        rows.push(row(bench, &what, "s", Limit::AtLeastShare(0.85), samples, Some("all of the processors")));
    }
    Ok(rows)
}

/// Returns the sum of the numbers in the files of a folder.
fn sum_of(folder: &Path) -> Result<f64> {
    let mut sum = 0.0;
    for file in fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        let text = fs::read_to_string(file.path()).map_err(|error| error.to_string())?;
        sum += text.parse::<f64>().map_err(|error| format!("`{}`: {error}", file.path().display()))?;
    }
    Ok(sum)
}
