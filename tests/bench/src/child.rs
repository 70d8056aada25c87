//! Roles of this program as a child of a measurement.

use std::{
    fs,
    hint::black_box,
    io::{self, BufRead, Write},
    process::{Command, ExitCode},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::sys::resource::{UsageWho, getrusage};

/// Answers each line with itself, as fast as a process can.
pub const PONG: &str = "pong";

/// `answer FILE` answers each line with itself, and flushes it. The file gets the time of the first one, in nanoseconds since
/// 1970. The line `wait SECONDS` takes that long.
pub const ANSWER: &str = "answer";

/// `compute FOLDER` answers each line after some milliseconds of computing. At its end it writes the processor time that it has
/// used, in seconds, to a file in the folder.
pub const COMPUTE: &str = "compute";

/// `peak FILE PROGRAM ARGS…` runs a program and writes the largest resident memory of any process in its tree, in KiB,
/// into the file. A separate process, because the kernel keeps one maximum for all ended children.
pub const PEAK: &str = "peak";

/// Runs the role that the arguments name, if they name one.
pub fn run(arguments: &[String]) -> Option<ExitCode> {
    let ended = match arguments.first().map(String::as_str) {
        Some(PONG) => pong(),
        Some(ANSWER) => answer(&arguments[1..]),
        Some(COMPUTE) => compute(&arguments[1..]),
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

fn answer(arguments: &[String]) -> io::Result<ExitCode> {
    let [stamp] = arguments else { return Err(io::Error::other("answer FILE")) };
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    let mut is_first = true;
    while input.read_until(b'\n', &mut line)? > 0 {
        if std::mem::take(&mut is_first) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
            fs::write(stamp, now.as_nanos().to_string())?;
        }
        if let Some(seconds) = line.strip_prefix(b"wait ") {
            let seconds = String::from_utf8_lossy(seconds).trim().parse().map_err(io::Error::other)?;
            thread::sleep(Duration::from_secs(seconds));
        }
        output.write_all(&line)?;
        output.flush()?;
        line.clear();
    }
    Ok(ExitCode::SUCCESS)
}

fn compute(arguments: &[String]) -> io::Result<ExitCode> {
    /// Makes about five milliseconds.
    const STEPS: u64 = 5_000_000;
    let [folder] = arguments else { return Err(io::Error::other("compute FOLDER")) };
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let value =
            (0..STEPS).fold(1, |value: u64, step| black_box(value.wrapping_mul(6_364_136_223_846_793_005) ^ step));
        line.splice(line.len() - 1.., format!(" {value}\n").into_bytes());
        output.write_all(&line)?;
        output.flush()?;
        line.clear();
    }
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let used = seconds(usage.user_time()) + seconds(usage.system_time());
    fs::write(format!("{folder}/{}", std::process::id()), used.to_string())?;
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
