//! Bytes through a model.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use super::row;
use crate::{
    Result,
    measure::{Contender, run, time},
    report::{Limit, Row},
    subject::{Bench, Subject},
};

const BYTES: usize = 4 << 30;
const ROUNDS: usize = 5;
/// The flag that switches off the two hashes of an access.
const NO_HASHES: &str = "--no-hash";

/// Returns GB/s.
fn rate(bytes: u64, milliseconds: f64) -> f64 {
    bytes as f64 / milliseconds / 1e6
}

fn big(bench: &Bench) -> Result<(std::path::PathBuf, u64)> {
    let bytes = bench.scaled(BYTES) as u64;
    Ok((bench.big_file(bytes)?, bytes))
}

/// Standard input from the file, standard output discarded.
fn piped<'a>(command: &'a mut Command, file: &Path) -> Result<&'a mut Command> {
    let file = File::open(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
    Ok(command.stdin(file).stdout(Stdio::null()))
}

pub fn throughput(bench: &Bench) -> Result<Vec<Row>> {
    let (file, bytes) = &big(bench)?;
    let mut rows = Vec::new();
    for (what, arguments, limit) in [
        ("a stream through `mer run cat`, hashed", &["run", "cat", "-"][..], Limit::AtLeastShare(0.35)),
        ("the same without hashes", &["run", "cat", "-", NO_HASHES], Limit::AtLeastShare(0.6)),
    ] {
        let of = move |subject: &Subject| {
            let milliseconds = time(|| run(piped(&mut subject.command(arguments), file)?))?;
            Ok(rate(*bytes, milliseconds))
        };
        let beside: Contender = Box::new(|| {
            let mut command = Command::new("sh");
            let milliseconds = time(|| run(piped(command.args(["-c", "cat | cat | cat"]), file)?))?;
            Ok(rate(*bytes, milliseconds))
        });
        let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![beside])?;
        rows.push(row(bench, what, "GB/s", limit, samples, Some("`cat \\| cat \\| cat`")));
    }
    Ok(rows)
}

pub fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let (file, bytes) = &big(bench)?;
    let samples = bench.each(|subject| {
        subject.peak(&["run", "cat", "-"], |command| {
            piped(command, file)?;
            Ok(())
        })
    });
    // No later case needs the file.
    fs::remove_file(file).map_err(|error| error.to_string())?;
    let what = format!("peak memory with {} GB streamed", bytes / 1_000_000_000);
    Ok(vec![row(bench, &what, "MB", Limit::AtMost(96.0), samples?, None)])
}
