//! Models over SSH; a temporary `sshd` on loopback stands for the other machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::row;
use crate::{
    Result,
    measure::{Contender, Sample, run as run_command, run_silent, time},
    report::{Limit, Row},
    sshd::Sshd,
    subject::{Bench, Subject},
};

const RUNS: usize = 500;
/// Rounds of work that takes a quarter of a second.
const SLOW_RUNS: usize = 20;
const PARALLEL_RUNS: usize = 100;
const PARALLEL_AT_ONCE: &str = "-j8";
const ROUNDS: usize = 5;
const BYTES: usize = 1 << 30;

/// Starts the server, and registers it and its models for every binary.
fn server(bench: &Bench) -> Result<Sshd> {
    let sshd = Sshd::start(&bench.work)?;
    let registry = bench.work.join("ssh.toml");
    let bytes = bench.scaled(BYTES);
    let text = format!(
        "{}[models.true]\nservers = ['there']\ninferenceCommand = ['true']\n\
         [models.from-there]\nservers = ['there']\ninferenceCommand = ['head', '-c', '{bytes}', '/dev/zero']\n\
         [models.to-there]\nservers = ['there']\nshell = true\ninferenceCommand = 'cat >/dev/null'\n",
        sshd.table("there")
    );
    fs::write(&registry, text).map_err(|error| format!("`{}`: {error}", registry.display()))?;
    for subject in &bench.subjects {
        let apply = ["apply", &registry.to_string_lossy(), "--allow-model-server-runtime-changes"];
        run_silent(&mut subject.command(&apply))?;
    }
    Ok(sshd)
}

/// Returns the milliseconds of bare `ssh2`.
fn bare(program: &Path, sshd: &Sshd, what: &str, count: usize) -> Result<f64> {
    let mut command = Command::new(program);
    command
        .args(["bare", what, "127.0.0.1", &sshd.port.to_string(), &sshd.user])
        .arg(sshd.key())
        .arg(count.to_string());
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().map_err(|_| format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Many short runs, one after the other, beside other tools that can run them.
pub fn many(bench: &Bench) -> Result<Vec<Row>> {
    let Some(program) = &bench.ssh_bench else { return Ok(Vec::new()) };
    let sshd = &server(bench)?;
    let (runs, slow_runs) = (bench.scaled(RUNS), bench.scaled(SLOW_RUNS));
    let parallel_runs = bench.scaled(PARALLEL_RUNS);
    let script = bench.work.join("ssh-script");
    fs::write(&script, "run true\n".repeat(runs)).map_err(|error| error.to_string())?;
    let of = |subject: &Subject| {
        let mut command = subject.command(&[]);
        command.stdin(fs::File::open(&script).map_err(|error| error.to_string())?).stdout(Stdio::null());
        Ok(time(|| run_command(&mut command))? / runs as f64)
    };
    let by_master = sshd.master()?;
    let repeat = |count: usize, one: &dyn Fn() -> Command| -> Result<f64> {
        Ok(time(|| (0..count).try_for_each(|_| run_silent(one().arg("true"))))? / count as f64)
    };
    let repeat = &repeat;
    let beside: Vec<Contender> = vec![
        Box::new(|| Ok(bare(program, sshd, "exec", runs)? / runs as f64)),
        Box::new(|| repeat(runs, &|| by_master.ssh())),
        Box::new(move || repeat(slow_runs, &|| sshd.ssh())),
        Box::new(move || parallel(sshd, parallel_runs)),
    ];
    let of = &of;
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), beside)?;
    let (ours, others) = samples.split_at(bench.subjects.len());
    let named = [
        ("bare `ssh2` on one session", Limit::AtMostTimes(2.0)),
        ("`ssh` on a ControlMaster", Limit::AtMostTimes(1.0 / 2.5)),
        ("a fresh `ssh`", Limit::AtMostTimes(1.0 / 50.0)),
        ("`parallel -j8 --sshlogin`", Limit::None),
    ];
    let what = format!("{runs} `oneshot` runs of `true` over SSH, one of them");
    let with = |sample: &Sample| ours.iter().chain([sample]).cloned().collect();
    let rows = others.iter().zip(named);
    Ok(rows.map(|(other, (name, limit))| row(bench, &what, "ms", limit, with(other), Some(name))).collect())
}

/// GNU parallel with its `--sshlogin`.
fn parallel(sshd: &Sshd, runs: usize) -> Result<f64> {
    let mut command = Command::new("parallel");
    let login = format!("{} there", sshd.ssh_words());
    command.args(["--will-cite", PARALLEL_AT_ONCE, "-N0", "--sshlogin", &login, "true", ":::"]);
    command.args((0..runs).map(|number| number.to_string()));
    Ok(time(|| run_silent(&mut command))? / runs as f64)
}

/// Bytes in one direction.
pub fn bulk(bench: &Bench) -> Result<Vec<Row>> {
    let Some(program) = &bench.ssh_bench else { return Ok(Vec::new()) };
    let sshd = &server(bench)?;
    let bytes = bench.scaled(BYTES);
    let file: &PathBuf = &bench.big_file(bytes as u64)?;
    let rate = move |milliseconds: f64| bytes as f64 / 1_048_576.0 / milliseconds * 1e3;
    let open = move || fs::File::open(file).map_err(|error| format!("`{}`: {error}", file.display()));
    let mut rows = Vec::new();
    for (what, model, direction, line) in [
        ("from there through `mer run`, without hashes", "from-there", "down", format!("head -c {bytes} /dev/zero")),
        ("to there through `mer run`, without hashes", "to-there", "up", "cat >/dev/null".to_owned()),
    ] {
        let of = move |subject: &Subject| {
            let mut command = subject.command(&["run", model, "-", "--no-hash"]);
            command.stdin(open()?).stdout(Stdio::null());
            Ok(rate(time(|| run_command(&mut command))?))
        };
        let line = &line;
        let beside: Vec<Contender> = vec![
            Box::new(move || Ok(rate(bare(program, sshd, direction, bytes)?))),
            Box::new(move || {
                let mut command = sshd.ssh();
                command.arg(line).stdin(open()?).stdout(Stdio::null());
                Ok(rate(time(|| run_command(&mut command))?))
            }),
        ];
        let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), beside)?;
        let (ours, others) = samples.split_at(bench.subjects.len());
        let what = format!("{} MiB {what}", bytes >> 20);
        for (other, (name, limit)) in
            others.iter().zip([("bare `ssh2`", Limit::AtLeastShare(0.95)), ("OpenSSH", Limit::None)])
        {
            let with = ours.iter().chain([other]).cloned().collect();
            rows.push(row(bench, &what, "MiB/s", limit, with, Some(name)));
        }
        let peaks = bench.each(|subject| {
            subject.peak(&["run", model, "-", "--no-hash"], |command| {
                command.stdin(open()?).stdout(Stdio::null());
                Ok(())
            })
        })?;
        rows.push(row(bench, &format!("the same, peak memory, {direction}"), "MB", Limit::AtMost(96.0), peaks, None));
    }
    fs::remove_file(file).map_err(|error| error.to_string())?;
    Ok(rows)
}

/// The output of mer-meal's benchmark; see `cases/lines.rs`.
pub fn at_the_executor(bench: &Bench) -> Result<Vec<Row>> {
    let Some(program) = &bench.ssh_bench else { return Ok(Vec::new()) };
    let mut command = Command::new(program);
    command.args(["at-executor", &bench.scaled(1024).to_string()]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    told.lines().map(|line| told_row(line).ok_or_else(|| format!("no name or numbers: {line}"))).collect()
}

fn told_row(line: &str) -> Option<Row> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = value["name"].as_str()?;
    let (unit, limit) = match value["unit"].as_str()? {
        "us" => ("µs", Limit::AtMostTimes(1.5)),
        "MiB/s" => ("MiB/s", Limit::AtLeastShare(0.95)),
        "requests/s" => ("requests/s", Limit::AtLeastShare(0.9)),
        _ => ("ms", Limit::AtMostTimes(2.0)),
    };
    let beside = if unit == "requests/s" { "eight times one" } else { "bare `ssh2`" };
    Some(Row {
        what: format!("over SSH at the `Executor`: {name}"),
        unit,
        limit,
        measured: vec![("mer", Sample::one(value["mer"].as_f64()?))],
        beside: Some((beside, Sample::one(value["bare"].as_f64()?))),
    })
}
