//! The cases, in the order of the table.

mod batch;
mod databases;
mod detached;
mod lines;
mod log;
mod resident;
mod slurm;
mod ssh;
mod start;
mod stream;
mod surreal;
mod weights;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Result,
    measure::{Contender, Sample, run_silent, time},
    report::{Limit, Row},
    subject::Bench,
};

/// A case returns one or several rows.
pub type Case = fn(&Bench) -> Result<Vec<Row>>;

/// All cases with their names.
pub const ALL: &[(&str, Case)] = &[
    ("version", start::version),
    ("run", start::run),
    ("run-without-snapshot", start::run_without_snapshot),
    ("run-memory", start::memory),
    ("many-at-once", start::many_at_once),
    ("script", start::script),
    ("lines", lines::through_a_script),
    ("lines-executor", lines::at_the_executor),
    ("resident", resident::run),
    ("resident-socket", resident::socket),
    ("resident-memory", resident::memory),
    ("resident-models", resident::models),
    ("batch-oneshots", batch::oneshots),
    ("batch-lines", batch::lines),
    ("batch-memory", batch::memory),
    ("batch-resume", batch::resume),
    ("batch-compute", batch::compute),
    ("stream", stream::throughput),
    ("stream-memory", stream::memory),
    ("databases-run", databases::run),
    ("databases-drain", databases::drain),
    ("databases-drain-embedded", databases::drain_embedded),
    ("databases-models", databases::models),
    ("databases-log", databases::log),
    ("log-postgres", log::postgres),
    ("log-embedded", log::in_embedded),
    ("databases-surrealdb", surreal::all),
    ("weights-embedded", weights::embedded),
    ("weights-postgres", weights::postgres),
    ("weights-surrealdb", weights::surreal_server),
    ("ssh-many", ssh::many),
    ("ssh-executor", ssh::at_the_executor),
    ("ssh-bulk", ssh::bulk),
    ("detached-start", detached::start),
    ("detached-list", detached::list),
    ("detached-supervisor", detached::supervisor),
    ("slurm-kept", slurm::kept),
];

/// Time of a process that does nothing.
fn nothing(bench: &Bench) -> Contender<'_> {
    Box::new(|| time(|| run_silent(&mut Command::new(&bench.nothing))))
}

/// Returns the milliseconds of the database without MER; see the example `bench_bulk` of mer-dal.
fn own_way(program: &Path, arguments: [&str; 3]) -> Result<f64> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().map_err(|_| format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Makes a row of the samples of [`Bench::in_turn`]: one of each binary, then that of the comparison, if there is one.
fn row(
    bench: &Bench,
    what: &str,
    unit: &'static str,
    limit: Limit,
    samples: Vec<Sample>,
    beside: Option<&'static str>,
) -> Row {
    let mut samples = samples.into_iter();
    let measured = bench.subjects.iter().map(|subject| subject.name).zip(samples.by_ref()).collect();
    Row { what: what.to_owned(), unit, limit, measured, beside: beside.zip(samples.next()) }
}
