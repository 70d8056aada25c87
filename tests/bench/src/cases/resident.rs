//! Runs of a model that the resident keeps.

use std::{fs, io::Write, process::Stdio};

use super::{row, start::at_once};
use crate::{
    Result,
    measure::{Contender, Sample, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

/// Rounds of single runs.
const ROUNDS: usize = 60;
/// Rounds of many runs.
const LONG_ROUNDS: usize = 5;
/// Number of runs in the case with many.
const MANY: usize = 200;
/// Number of requests after which the resident's memory is looked at again.
const REQUESTS: usize = 10_000;

/// Sets `keepalive` of the model `pong`, and has it kept by a resident.
fn keep(subject: &Subject) -> Result<()> {
    let set = ["--allow-changes", "model", "set", "pong", "--keepalive", "5m"];
    run_silent(&mut subject.command(&set))?;
    run_silent(&mut subject.command(&["run", "pong", "hello"]))
}

/// Ends the resident's models, and has none kept.
fn let_go(subject: &Subject) -> Result<()> {
    run_silent(&mut subject.command(&["stop", "--all"]))?;
    run_silent(&mut subject.command(&["--allow-changes", "model", "set", "pong", "--unset", "keepalive"]))
}

/// A run beyond `mer version`, the smallest whole process there is.
pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    bench.each(|subject| keep(subject).map(|()| 0.0))?;
    let of = |subject: &Subject| {
        let version = time(|| run_silent(&mut subject.command(&["version"])))?;
        Ok(time(|| run_silent(&mut subject.command(&["run", "pong", "hello"])))? - version)
    };
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![])?;
    let what = "`mer run` of a model that the resident keeps, beyond `mer version`";
    let one = row(bench, what, "ms", Limit::AtMost(4.0), samples, None);

    let count = bench.scaled(MANY);
    let many = |subject: &Subject, arguments: &'static [&'static str]| {
        time(|| at_once(count, |_| run_silent(&mut subject.command(arguments))))
    };
    let first = &bench.subjects[0];
    let beside: Contender = Box::new(|| many(first, &["version"]));
    let of = |subject| many(subject, &["run", "pong", "hello"]);
    let samples = bench.in_turn(LONG_ROUNDS, |subject| Box::new(move || of(subject)), vec![beside])?;
    let what = format!("{count} of them, 16 at once");
    let many = row(bench, &what, "ms", Limit::AtMostTimes(2.0), samples, Some("as many of `mer version`"));
    Ok(vec![one, many])
}

/// The proportional memory of the resident, when it is idle and after many requests, beside that of a `mer` with a model.
pub fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let idle = bench.each(|subject| {
        keep(subject)?;
        memory_of(resident(subject)?)
    })?;
    let served = bench.each(|subject| {
        let script = "run pong hello\n".repeat(bench.scaled(REQUESTS));
        let mut process = piped(subject)?;
        let Some(mut input) = process.stdin.take() else { return Err("a pipe is missing".to_owned()) };
        input.write_all(script.as_bytes()).map_err(|error| error.to_string())?;
        drop(input);
        process.wait().map_err(|error| error.to_string())?;
        memory_of(resident(subject)?)
    })?;
    let beside = alone(&bench.subjects[0])?;
    bench.each(|subject| let_go(subject).map(|()| 0.0))?;
    let name = Some("a `mer` that keeps a model by itself");
    let what = format!("the same after {} requests", bench.scaled(REQUESTS));
    let both = |samples: Vec<Sample>| samples.into_iter().chain([Sample::one(beside)]).collect();
    Ok(vec![
        row(bench, "memory of the idle resident (PSS)", "MB", Limit::AtMostTimes(1.3), both(idle), name),
        row(bench, &what, "MB", Limit::AtMostTimes(1.3), both(served), name),
    ])
}

fn piped(subject: &Subject) -> Result<std::process::Child> {
    let mut command = subject.command(&[]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())
}

/// Memory of a `mer` that waits for the next line of a script, with a model of its own.
fn alone(subject: &Subject) -> Result<f64> {
    let mut command = subject.command(&["--no-serve"]);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut process = spawned.map_err(|error| error.to_string())?;
    let (Some(mut input), Some(mut output)) = (process.stdin.take(), process.stdout.take()) else {
        return Err("a pipe is missing".to_owned());
    };
    input.write_all(b"run pong hello\n").map_err(|error| error.to_string())?;
    std::io::Read::read_exact(&mut output, &mut [0; 6]).map_err(|error| error.to_string())?;
    let memory = memory_of(process.id());
    drop(input);
    process.wait().map_err(|error| error.to_string())?;
    memory
}

/// Returns the process id of the resident: the parent of the process that it keeps.
fn resident(subject: &Subject) -> Result<u32> {
    let output = subject.command(&["ps", "--json"]).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line: serde_json::Value =
        text.lines().next().and_then(|line| serde_json::from_str(line).ok()).ok_or("`mer ps` lists no process")?;
    let path = format!("/proc/{}/status", line["pid"]);
    let status = fs::read_to_string(&path).map_err(|error| format!("`{path}`: {error}"))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    parent.ok_or_else(|| format!("`{path}` has no PPid"))
}

/// Returns the proportional memory of a process in MB.
fn memory_of(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("`{path}`: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0 / 1e6).ok_or_else(|| format!("`{path}` has no Pss"))
}
