//! Runs of a model that the resident keeps.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{lines, row, start::at_once};
use crate::{
    Result,
    measure::{Contender, Sample, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
    wire,
};

/// Rounds of single runs.
const ROUNDS: usize = 60;
/// Rounds of many runs.
const LONG_ROUNDS: usize = 5;
/// Number of runs in the case with many.
const MANY: usize = 200;
/// Number of requests after which the resident's memory is looked at again.
const REQUESTS: usize = 10_000;
/// Number of requests through the socket, and of rounds in which they take turns with their comparison.
const EXCHANGES: usize = 50;
const TURNS: usize = 20;
/// Number of registered models in the case with many.
const MODELS: usize = 10_000;
/// Time for which the idle resident's wake-ups are counted.
const IDLE: Duration = Duration::from_secs(20);

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

/// Milliseconds of a run beyond `mer version`, the smallest whole process there is.
fn beyond_version(subject: &Subject) -> Result<f64> {
    let version = time(|| run_silent(&mut subject.command(&["version"])))?;
    Ok(time(|| run_silent(&mut subject.command(&["run", "pong", "hello"])))? - version)
}

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    bench.each(|subject| keep(subject).map(|()| 0.0))?;
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || beyond_version(subject)), vec![])?;
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

/// A request from socket to socket, beside an echo of hyper on such a socket and a request to the program of the model.
pub fn socket(bench: &Bench) -> Result<Vec<Row>> {
    bench.each(|subject| keep(subject).map(|()| 0.0))?;
    let echo = bench.work.join("echo.sock");
    wire::serve_echo(&echo).map_err(|error| format!("`{}`: {error}", echo.display()))?;
    let mut times = vec![Vec::new(); bench.subjects.len()];
    let (mut echoes, mut pongs) = (Vec::new(), Vec::new());
    for _ in 0..bench.scaled(TURNS) {
        for (subject, times) in bench.subjects.iter().zip(&mut times) {
            times.extend(through_socket(subject)?);
        }
        for _ in 0..EXCHANGES {
            echoes.push(wire::ask_echo(&echo)?);
        }
        pongs.push(lines::without_mer(EXCHANGES)?.median());
    }
    let beside = Sample::new(echoes).median() + Sample::new(pongs).median();
    let samples = times.into_iter().map(Sample::new).chain([Sample::one(beside)]).collect();
    let what = "a `lines` request in the resident, socket to socket, on record";
    let name = Some("an echo of hyper on such a socket, and the same model without `mer`");
    Ok(vec![row(bench, what, "µs", Limit::AtMostTimes(2.0), samples, name)])
}

/// Microseconds of requests through the socket; the first ones are not counted.
fn through_socket(subject: &Subject) -> Result<Vec<f64>> {
    let mut resident = wire::Resident::find(&subject.runtime(), subject.home())?;
    for _ in 0..EXCHANGES / 5 {
        resident.run()?;
    }
    (0..EXCHANGES).map(|_| resident.run()).collect()
}

/// The same with many registered models, beside a few.
pub fn models(bench: &Bench) -> Result<Vec<Row>> {
    let many = bench.work.join("many.toml");
    let mut text = String::new();
    for number in 0..bench.scaled(MODELS) {
        let _ = write!(text, "[models.m{number:05}]\ninferenceCommand = [\"cat\"]\n\n");
    }
    fs::write(&many, text).map_err(|error| format!("`{}`: {error}", many.display()))?;
    let first = &bench.subjects[0];
    let (few, full) = (first.anew("few")?, first.anew("many")?);
    few.apply(&bench.registry)?;
    full.apply(&bench.registry)?;
    full.apply(&many)?;
    let mut figures: [[Vec<f64>; 3]; 2] = Default::default();
    for subject in [&few, &full] {
        keep(subject)?;
    }
    for _ in 0..bench.scaled(TURNS) {
        for (subject, figures) in [&full, &few].into_iter().zip(&mut figures) {
            for _ in 0..3 {
                figures[0].push(time(|| run_silent(&mut subject.command(&["run", "pong", "hello"])))?);
            }
            figures[1].extend(through_socket(subject)?);
            figures[2].push(lines::of_script(subject, EXCHANGES)?.median());
        }
    }
    for subject in [&few, &full] {
        run_silent(&mut subject.command(&["stop", "--all"]))?;
    }
    let [of_full, of_few] = figures;
    let what = [
        ("`mer run` of a model that the resident keeps", "ms"),
        ("the request socket to socket", "µs"),
        ("the same through a script and the resident", "µs"),
    ];
    let count = bench.scaled(MODELS);
    let rows = what.into_iter().zip(of_full.into_iter().zip(of_few)).map(|((what, unit), (full, few))| Row {
        what: format!("{what}, {count} models registered"),
        unit,
        limit: Limit::AtMostTimes(1.1),
        measured: vec![(first.name, Sample::new(full))],
        beside: Some(("3 models registered", Sample::new(few))),
    });
    Ok(rows.collect())
}

/// Number of wake-ups a second of all threads of a process.
fn wake_ups(pid: u32) -> Result<f64> {
    let count = || -> std::io::Result<u64> {
        let mut all = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            all += line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(all)
    };
    let (begun, before) = (Instant::now(), count().map_err(|error| error.to_string())?);
    thread::sleep(IDLE);
    let after = count().map_err(|error| error.to_string())?;
    Ok(after.saturating_sub(before) as f64 / begun.elapsed().as_secs_f64())
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
    let woken = bench.each(|subject| wake_ups(resident(subject)?))?;
    bench.each(|subject| let_go(subject).map(|()| 0.0))?;
    let name = Some("a `mer` that keeps a model by itself");
    let what = format!("the same after {} requests", bench.scaled(REQUESTS));
    let both = |samples: Vec<Sample>| samples.into_iter().chain([Sample::one(beside)]).collect();
    Ok(vec![
        row(bench, "memory of the idle resident (PSS)", "MB", Limit::AtMostTimes(1.3), both(idle), name),
        row(bench, &what, "MB", Limit::AtMostTimes(1.3), both(served), name),
        row(bench, "wake-ups of the idle resident", "/s", Limit::AtMost(1.0), woken, None),
    ])
}

fn piped(subject: &Subject) -> Result<std::process::Child> {
    let mut command = subject.command(&[]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())
}

/// Memory of a `mer` that waits for the next line of a script, with a model of its own.
fn alone(subject: &Subject) -> Result<f64> {
    let mut command = subject.command(&[]);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut process = spawned.map_err(|error| error.to_string())?;
    let (Some(mut input), Some(mut output)) = (process.stdin.take(), process.stdout.take()) else {
        return Err("a pipe is missing".to_owned());
    };
    input.write_all(b"run --no-serve pong hello\n").map_err(|error| error.to_string())?;
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
