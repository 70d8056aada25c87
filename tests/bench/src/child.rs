//! Roles of this program as a child of a measurement.

use std::{
    fs,
    io::{self, BufRead, Write},
    process::{Command, ExitCode},
};

use nix::sys::resource::{UsageWho, getrusage};

/// Answers each line with itself, as fast as a process can.
pub const PONG: &str = "pong";

/// `peak FILE PROGRAM ARGS…` runs a program and writes the largest resident memory of any process in its tree, in KiB,
/// into the file. A separate process, because the kernel keeps one maximum for all ended children.
pub const PEAK: &str = "peak";

/// Runs the role that the arguments name, if they name one.
pub fn run(arguments: &[String]) -> Option<ExitCode> {
    let ended = match arguments.first().map(String::as_str) {
        Some(PONG) => pong(),
        Some(PEAK) => peak(&arguments[1..]),
        _ => return None,
    };
    Some(ended.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    }))
}

fn pong() -> io::Result<ExitCode> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        output.write_all(&line)?;
        output.flush()?;
        line.clear();
    }
    Ok(ExitCode::SUCCESS)
}

fn peak(arguments: &[String]) -> io::Result<ExitCode> {
    let [file, program, arguments @ ..] = arguments else {
        return Err(io::Error::other("peak FILE PROGRAM ARGS…"));
    };
    let status = Command::new(program).args(arguments).status()?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    fs::write(file, usage.max_rss().to_string())?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
