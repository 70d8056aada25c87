//! Databases on a temporary SurrealDB server. Only an optimised build of the server gives meaningful numbers.

use std::{env, time::Instant};

use mer_testkit::surreal_server::{PROGRAM, Server};

use super::{
    databases::{BenchDatabase, DRAIN_PEAK, DRAINS, MEMORY, rate, sample},
    nothing, own_way, row,
};
use crate::{
    Result, journal,
    measure::{Sample, ms, run_silent, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

const ROUNDS: usize = 40;
const DRAINED: usize = 20_000;
const LOGGED: usize = 1_000_000;

/// Rows that one statement inserts into the log.
const FILLED_AT_ONCE: usize = 5_000;

/// Starts a server, if its program was named.
pub(super) fn server() -> Option<Server> {
    let server = env::var_os(PROGRAM).and_then(|_| Server::start());
    if server.is_none() {
        eprintln!("bench: no SurrealDB server is measured: {PROGRAM} names none (built with optimisation)");
    }
    server
}

/// Makes a database for one of the binaries.
fn target_for(bench: &Bench, server: &Server, subject: &Subject) -> Result<BenchDatabase> {
    let database = server.database();
    let data = bench.work.join(format!("surreal-{}-{database}", subject.name.replace(' ', "-")));
    BenchDatabase::migrated(subject, server.url(&database), data, database)
}

/// One run, many accesses from a journal, and a list of the newest fifty.
pub fn all(bench: &Bench) -> Result<Vec<Row>> {
    let Some(server) = server() else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    let targets =
        bench.subjects.iter().map(|subject| target_for(bench, &server, subject)).collect::<Result<Vec<_>>>()?;
    let target = |subject: &Subject| {
        let index = bench.subjects.iter().position(|other| other.name == subject.name).unwrap_or(0);
        &targets[index]
    };
    let run = |subject: &Subject| time(|| run_silent(&mut target(subject).command(subject, &["run", "echo", "x"])));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || run(subject)), vec![nothing(bench)])?;
    let what = "`mer run echo x`, SurrealDB server on this machine";
    rows.push(row(bench, what, "ms", Limit::None, samples, Some("a static program that does nothing")));

    let count = bench.scaled(DRAINED);
    let (mut drained, mut inserted, mut by_client, mut peaks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for subject in &bench.subjects {
        let target = target(subject);
        let sample = sample(&mut target.command(subject, &["run", "echo", "x", "--json"]))?;
        run_silent(&mut target.command(subject, &["log", "list"]))?;
        let uid = server.sql(&target.database, "SELECT VALUE uid FROM ONLY DatabaseIdentity LIMIT 1");
        let uid = uid[0].as_str().ok_or("the database has no uid")?.to_owned();
        server.sql(&target.database, "DELETE ModelAccess RETURN NONE");
        journal::write(&target.data.join("journal"), &uid, &sample, 0..count)?;
        let (took, peak) = subject.time_and_peak(&DRAINS, |command| target.aim(command))?;
        drained.push(Sample::one(rate(count, took)));
        peaks.push(Sample::one(peak));
        if let Some(program) = &bench.bulk_bench {
            let other = target_for(bench, &server, subject)?;
            by_client.push(rate(count, own_way(program, ["rows", &target.url, &other.url])?));
        }
        // The same rows by the server alone.
        let copy = "DEFINE TABLE Again; INSERT INTO Again (SELECT *, rand::uuid() AS id FROM ModelAccess) RETURN NONE; \
                    DELETE ModelAccess RETURN NONE";
        server.sql(&target.database, copy);
        let begun = Instant::now();
        for first in (0..count).step_by(1000) {
            let insert = format!(
                "INSERT INTO ModelAccess (SELECT *, [requestUid, attempt] AS id FROM Again START {first} LIMIT 1000) \
                 RETURN NONE"
            );
            server.sql(&target.database, &insert);
        }
        inserted.push(rate(count, ms(begun.elapsed())));
    }
    let what = format!("{count} runs from the journal into a SurrealDB server");
    let by_client =
        (!by_client.is_empty()).then(|| ("`INSERT` of 1,000 rows each, by the SDK", Sample::new(by_client)));
    let bar = Limit::AtLeastShare(0.6);
    rows.push(Row { beside: by_client, ..row(bench, &what, "runs/s", bar, drained.clone(), None) });
    let by_server = Some(("`INSERT … SELECT` of 1,000 rows each, by the server", Sample::new(inserted)));
    rows.push(Row { beside: by_server, ..row(bench, &what, "runs/s", Limit::None, drained, None) });
    rows.push(row(bench, DRAIN_PEAK, "MB", Limit::AtMost(MEMORY), peaks, None));

    drop(targets);
    rows.push(newest(bench, server)?);
    Ok(rows)
}

/// Lists the newest fifty of many; the server is restarted after the rows were inserted, so that they are stored.
fn newest(bench: &Bench, mut server: Server) -> Result<Row> {
    let count = bench.scaled(LOGGED);
    let target = target_for(bench, &server, &bench.subjects[0])?;
    let run = |subject: &Subject, arguments: &[&str]| run_silent(&mut target.command(subject, arguments));
    run(&bench.subjects[0], &["run", "echo", "x"])?;
    let list = ["log", "list", "--json"];
    run(&bench.subjects[0], &list)?;
    for first in (0..count).step_by(FILLED_AT_ONCE) {
        let fill = format!(
            "LET $one = (SELECT * OMIT id FROM ONLY ModelAccess LIMIT 1); \
             INSERT INTO ModelAccess (array::range({first}..{}).map(|$n| object::extend($one, {{ \
             id: [rand::uuid(), 1], startAccess: d'2026-02-01T00:00:00Z' + duration::from_millis($n) }}))) RETURN NONE",
            first + FILLED_AT_ONCE
        );
        server.sql(&target.database, &fill);
    }
    let plan = "SELECT * FROM ModelAccess ORDER BY startMicros DESC LIMIT 50 EXPLAIN";
    let plan = server.sql(&target.database, plan)[0].to_string();
    if !plan.contains("newest") {
        return Err(format!("the newest are not found by their index: {plan}"));
    }
    server.stop();
    server.start_again();
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(|| time(|| run(subject, &list))), vec![])?;
    let what = format!("`mer log list`, the newest 50 of {count}, SurrealDB server");
    Ok(row(bench, &what, "ms", Limit::AtMost(50.0), samples, None))
}
