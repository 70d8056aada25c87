//! Runs of a model that does nothing: one, many at once, many in a row.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{nothing, row};
use crate::{
    Result,
    measure::{Contender, run as run_command, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

/// Rounds of work that takes milliseconds.
const ROUNDS: usize = 60;
/// Rounds of work that takes a second.
const LONG_ROUNDS: usize = 5;
/// Number of runs in the two cases with many.
const SCRIPT: usize = 1_000;
const MANY: usize = 200;
const AT_ONCE: usize = 16;

pub fn version(bench: &Bench) -> Result<Vec<Row>> {
    let of = |subject: &'_ Subject| time(|| run_silent(&mut subject.command(&["version"])));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![nothing(bench)])?;
    Ok(vec![row(
        bench,
        "`mer version`",
        "ms",
        Limit::AtMost(10.0),
        samples,
        Some("a static program that does nothing"),
    )])
}

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let of = |subject: &Subject| time(|| run_silent(&mut subject.command(&["run", "echo", "x"])));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![nothing(bench)])?;
    let what = "`mer run echo x`, registry snapshot valid";
    Ok(vec![row(bench, what, "ms", Limit::AtMost(20.0), samples, Some("a static program that does nothing"))])
}

pub fn run_without_snapshot(bench: &Bench) -> Result<Vec<Row>> {
    let of = |subject: &Subject| {
        subject.break_snapshot()?;
        time(|| run_silent(&mut subject.command(&["run", "echo", "x"])))
    };
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![])?;
    Ok(vec![row(bench, "`mer run echo x`, database opened", "ms", Limit::AtMost(80.0), samples, None)])
}

pub fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let of = |subject: &Subject| {
        subject.peak(&["run", "echo", "x"], |command| {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Ok(())
        })
    };
    let snapshot = bench.each(of)?;
    let opened = bench.each(|subject| {
        subject.break_snapshot()?;
        of(subject)
    })?;
    Ok(vec![
        row(bench, "the same, peak memory, snapshot valid", "MB", Limit::AtMost(64.0), snapshot, None),
        row(bench, "the same, peak memory, database opened", "MB", Limit::AtMost(64.0), opened, None),
    ])
}

pub fn many_at_once(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(MANY);
    let of = |subject: &Subject| {
        time(|| {
            at_once(count, |i| {
                let input = i.to_string();
                let output = subject.command(&["run", "echo", &input]).stdin(Stdio::null()).output();
                let output = output.map_err(|error| error.to_string())?;
                if output.status.success() && output.stdout == format!("{i}\n").into_bytes() {
                    Ok(())
                } else {
                    let stderr = String::from_utf8_lossy(&output.stderr);
                    Err(format!("run {i} of {count}: {}: {}", output.status, stderr.trim()))
                }
            })
        })
    };
    let beside: Contender = Box::new(|| time(|| at_once(count, |_| run_silent(&mut Command::new(&bench.nothing)))));
    let samples = bench.in_turn(LONG_ROUNDS, |subject| Box::new(move || of(subject)), vec![beside]);
    let what = format!("{count} of `mer run echo`, {AT_ONCE} at once");
    Ok(vec![row(bench, &what, "ms", Limit::AtMost(3_000.0), samples?, Some("the program that does nothing"))])
}

/// Does `count` pieces of work, this many at once. Returns the first failure.
pub fn at_once(count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(Ok(()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count {
                        return;
                    }
                    if let (Err(sentence), Ok(mut failure)) = (work(i), failure.lock()) {
                        *failure = Err(sentence);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(|_| Err("a thread panicked".to_owned()))
}

pub fn script(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(SCRIPT);
    let (script, numbers) = (bench.work.join("script"), bench.work.join("numbers"));
    let write = |path, text: String| fs::write(path, text).map_err(|error| error.to_string());
    write(&script, "run nothing\n".repeat(count))?;
    write(&numbers, (0..count).map(|i| format!("{i}\n")).collect())?;
    let open = |path| File::open(path).map_err(|error| error.to_string());

    let of = |subject: &Subject| {
        let mut command = subject.command(&[]);
        command.stdin(open(&script)?).stdout(Stdio::null());
        time(|| run_command(&mut command))
    };
    let synced = bench.work.join("synced");
    let beside: Contender = Box::new(|| {
        let mut command = Command::new("xargs");
        command.arg("-n1").arg(&bench.nothing).stdin(open(&numbers)?).stdout(Stdio::null());
        time(|| {
            run_command(&mut command)?;
            sync_often(&synced, count).map_err(|error| format!("`{}`: {error}", synced.display()))
        })
    });
    let of = &of;
    let samples = bench.in_turn(LONG_ROUNDS, |subject| Box::new(move || of(subject)), vec![beside])?;
    let what = format!("a script of {count} `oneshot` runs of a program that does nothing");
    Ok(vec![row(bench, &what, "ms", Limit::AtMostTimes(1.2), samples, Some("`xargs -n1`, and one fdatasync a run"))])
}

/// Appends as many lines as a journal has starts, and syncs each.
fn sync_often(path: &Path, count: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..count {
        file.write_all(&[b'x'; 600])?;
        file.sync_data()?;
    }
    Ok(())
}
