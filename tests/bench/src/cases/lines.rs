//! A request and its answer with a warm process.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Instant,
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::row;
use crate::{
    Result, child,
    measure::Sample,
    report::{Limit, Row},
    subject::{Bench, Subject},
};

const QUESTIONS: usize = 5_000;
/// Requests that are not counted: start of the process, cold caches.
const WARM_UP: usize = 100;

/// The calling thread, whose cores the processes inherit that it starts.
const THIS: Pid = Pid::from_raw(0);

pub fn through_a_script(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(QUESTIONS);
    let sample = || -> Result<Vec<Sample>> {
        let through = bench.subjects.iter().map(|subject| of_script(subject, count));
        through.chain([without_mer(count)]).collect()
    };
    // The client, `mer` and the model on one core: with several, most of the time is that in which sleeping cores wake up.
    let all = sched_getaffinity(THIS).map_err(|error| error.to_string())?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|core| all.is_set(*core).unwrap_or(false)).unwrap_or(0);
    one.set(first).and_then(|()| sched_setaffinity(THIS, &one)).map_err(|error| error.to_string())?;
    let pinned = sample();
    sched_setaffinity(THIS, &all).map_err(|error| error.to_string())?;
    let (pinned, samples) = (pinned?, sample()?);
    let worst = samples.iter().map(|sample| Sample::one(sample.quantile(0.99))).collect();
    let beside = Some("the same model without `mer`");
    Ok(vec![
        row(
            bench,
            "`lines` round trip through a script, on record, on one core",
            "µs",
            Limit::AtMost(80.0),
            pinned,
            beside,
        ),
        row(bench, "the same on all cores", "µs", Limit::None, samples, beside),
        row(bench, "the same, the slowest of 100", "µs", Limit::None, worst, beside),
    ])
}

/// Returns microseconds of requests to `pong` through a script.
pub fn of_script(subject: &Subject, count: usize) -> Result<Sample> {
    ping_pong(&mut subject.command(&[]), "run pong hello\n", count)
}

/// Returns microseconds of requests to the program of `pong`.
pub fn without_mer(count: usize) -> Result<Sample> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    ping_pong(Command::new(this).arg(child::PONG), "hello\n", count)
}

/// Sends a line and waits for `hello`, repeatedly. Returns microseconds.
pub fn ping_pong(command: &mut Command, line: &str, count: usize) -> Result<Sample> {
    let failed = |error: std::io::Error| error.to_string();
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let (Some(mut input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
        return Err("a pipe is missing".to_owned());
    };
    let mut output = BufReader::new(output);
    let mut times = Vec::with_capacity(count);
    let mut answer = String::new();
    for i in 0..count + WARM_UP {
        let begun = Instant::now();
        input.write_all(line.as_bytes()).map_err(failed)?;
        answer.clear();
        output.read_line(&mut answer).map_err(failed)?;
        if i >= WARM_UP {
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        if answer != "hello\n" {
            return Err(format!("{command:?} answered {answer:?}"));
        }
    }
    drop(input);
    let status = process.wait().map_err(failed)?;
    if status.success() { Ok(Sample::new(times)) } else { Err(format!("{command:?}: {status}")) }
}

/// Reads the output of mer-meal's benchmark: a JSON object on each line, with `name`, `unit`, `mer` and `bare`, the same
/// done with the standard library or a shell.
pub fn at_the_executor(bench: &Bench) -> Result<Vec<Row>> {
    let Some(program) = &bench.meal_bench else { return Ok(Vec::new()) };
    // Two processes that answer each other on different cores wait mostly for a core to wake up, and the system moves them
    // as it likes: on one core both ways are comparable.
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(program).arg("trips");
    let mut rest = Command::new(program);
    rest.arg("rest");
    let mut text = String::new();
    for command in [&mut pinned, &mut rest] {
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("{command:?}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{command:?}: {}", output.status));
        }
        text.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    let mut rows = Vec::new();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let (Some(name), Some(mer), Some(bare)) =
            (value["name"].as_str(), value["mer"].as_f64(), value["bare"].as_f64())
        else {
            return Err(format!("no name or numbers: {line}"));
        };
        rows.push(Row {
            what: format!("at the `Executor`: {name}{}", if name.starts_with("lines") { ", on one core" } else { "" }),
            unit: match value["unit"].as_str() {
                Some("us") => "µs",
                Some("MiB/s") => "MiB/s",
                _ => "",
            },
            limit: if name.starts_with("lines") { Limit::AtMostTimes(3.0) } else { Limit::None },
            measured: vec![("mer", Sample::one(mer))],
            beside: Some(("without `mer`", Sample::one(bare))),
        });
    }
    Ok(rows)
}
