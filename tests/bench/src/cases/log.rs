//! Questions to a long log, its export and its page: on a temporary PostgreSQL server, and embedded.

use std::{fs, path::Path, process::Command};

use super::{
    databases::{drain_into_embedded, embedded, index, rate, targets, with_server},
    row,
};
use crate::{
    Result,
    measure::{Sample, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

const LOGGED: usize = 1_000_000;
const ROUNDS: usize = 20;
const FEW_ROUNDS: usize = 5;
/// Before all rows.
const SINCE: [&str; 2] = ["--since", "2025-12-01"];
/// Limit of the memory of statistics, in MB.
const MEMORY: f64 = 128.0;

/// Filters with an index, and what they are called.
const INDEXED: [(&str, &[&str]); 2] =
    [("the newest 50 failures", &["--failed"]), ("of one model", &["--model", "echo"])];
/// A filter without an index, which no row passes.
const SCAN: [&str; 5] = ["log", "list", "--json", "--caller", "not-there"];

/// Fills the log with runs of the last hour; one in 200 has failed.
const FILL: &str = "INSERT INTO \"ModelAccess\" SELECT (jsonb_populate_record(a, jsonb_build_object(
    'requestUid', gen_random_uuid(), 'startAccess', a.\"startAccess\" - n * interval '3 ms',
    'stopAccess', a.\"stopAccess\" - n * interval '3 ms', 'runMs', (n::bigint * 7919 % 10007) / 10.0,
    'status', CASE WHEN n % 200 = 0 THEN 'failed' ELSE 'succeeded' END))).*
    FROM \"ModelAccess\" a, generate_series(1, ";

/// Measures a command of each binary in turn, in milliseconds.
fn in_turn(
    bench: &Bench,
    rounds: usize,
    command: &dyn Fn(&Subject, &[&str]) -> Command,
    arguments: &[&str],
) -> Result<Vec<Sample>> {
    bench.in_turn(rounds, |subject| Box::new(move || time(|| run_silent(&mut command(subject, arguments)))), vec![])
}

/// Turns milliseconds for `count` rows into rows a second.
fn rates(count: usize, samples: &[Sample]) -> Vec<Sample> {
    samples.iter().map(|sample| Sample::one(rate(count, sample.median()))).collect()
}

/// The rows that both databases have: indexed filters, a scan beside an export, statistics with their memory, the page.
fn rows(
    bench: &Bench,
    place: &str,
    count: usize,
    (newest, stats, page): (Limit, Limit, Limit),
    command: &dyn Fn(&Subject, &[&str]) -> Command,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, filter) in INDEXED {
        let samples = in_turn(bench, ROUNDS, command, &[&["log", "list", "--json"], filter].concat())?;
        rows.push(row(bench, &format!("`mer log list`, {name}, {count} rows, {place}"), "ms", newest, samples, None));
    }
    let export = in_turn(bench, FEW_ROUNDS, command, &[&["log", "export", "--jsonl"], &SINCE[..]].concat())?;
    let scan = in_turn(bench, FEW_ROUNDS, command, &[&SCAN[..], &SINCE].concat())?;
    let beside = rates(count, &export[..1]).into_iter().next().map(|sample| ("an export as JSON lines", sample));
    let what = format!("a filter without an index, {place}");
    let scanned = row(bench, &what, "rows/s", Limit::AtLeastShare(0.7), rates(count, &scan), None);
    rows.push(Row { beside, ..scanned });
    let all = [&["log", "stats"], &SINCE[..]].concat();
    let what = format!("`mer log stats` over {count} rows, {place}");
    rows.push(row(bench, &what, "ms", stats, in_turn(bench, FEW_ROUNDS, command, &all)?, None));
    let mut peaks = Vec::new();
    for subject in &bench.subjects {
        let like = command(subject, &[]);
        let aim = |aimed: &mut Command| {
            for (name, value) in like.get_envs() {
                if let Some(value) = value {
                    aimed.env(name, value);
                }
            }
        };
        peaks.push(Sample::one(subject.time_and_peak(&all, aim)?.1));
    }
    rows.push(row(bench, "the same, peak memory", "MB", Limit::AtMost(MEMORY), peaks, None));
    let file = bench.work.join("report.html");
    let report = ["report", "-o", &*file.to_string_lossy()];
    let what = format!("`mer report` of {count} rows, {place}");
    let samples = in_turn(bench, FEW_ROUNDS, command, &[&report, &SINCE[..]].concat())?;
    rows.push(row(bench, &what, "ms", page, samples, None));
    rows.push(page_size(bench, &file)?);
    Ok(rows)
}

fn page_size(bench: &Bench, file: &Path) -> Result<Row> {
    let size = fs::metadata(file).map_err(|error| format!("`{}`: {error}", file.display()))?.len() as f64 / 1e3;
    let sizes = vec![Sample::one(size); bench.subjects.len()];
    Ok(row(bench, "the same, size of the page", "kB", Limit::AtMost(400.0), sizes, None))
}

/// A million rows on a PostgreSQL server.
pub fn postgres(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(LOGGED);
    with_server(|server| {
        let targets = targets(bench, server)?;
        for (subject, target) in bench.subjects.iter().zip(&targets) {
            run_silent(&mut target.command(subject, &["run", "echo", "x"]))?;
            run_silent(&mut target.command(subject, &["log", "list"]))?;
            server.sql(&target.database, &format!("{FILL}{count}) AS n; ANALYZE \"ModelAccess\""));
        }
        let command =
            |subject: &Subject, arguments: &[&str]| targets[index(bench, subject)].command(subject, arguments);
        let limits = (Limit::AtMost(60.0), Limit::AtMost(1500.0), Limit::AtMost(4000.0));
        let mut rows = rows(bench, "PostgreSQL", count, limits, &command)?;
        let export = in_turn(bench, FEW_ROUNDS, &command, &[&["log", "export", "--csv"], &SINCE[..]].concat())?;
        let copied = (0..FEW_ROUNDS).map(|_| {
            let copy = || {
                server.sql(&targets[0].database, "COPY \"ModelAccess\" TO STDOUT (FORMAT csv, HEADER)");
                Ok(())
            };
            time(copy).map(|took| rate(count, took))
        });
        let copied = Sample::new(copied.collect::<Result<Vec<_>>>()?);
        let what = "`mer log export --csv`, PostgreSQL";
        let row = row(bench, what, "rows/s", Limit::AtLeastShare(0.5), rates(count, &export), None);
        rows.push(Row { beside: Some(("`COPY … TO` in CSV", copied)), ..row });
        Ok(rows)
    })
}

/// A million rows in the embedded database.
pub fn in_embedded(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.scaled(LOGGED);
    for subject in &bench.subjects {
        drain_into_embedded(bench, subject, "long", count)?;
    }
    let command = |subject: &Subject, arguments: &[&str]| embedded(bench, subject, "long", arguments);
    rows(bench, "embedded", count, (Limit::AtMost(120.0), Limit::None, Limit::None), &command)
}
