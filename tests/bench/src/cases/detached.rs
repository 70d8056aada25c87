//! Runs that outlive their caller.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::row;
use crate::{
    Result,
    measure::{Contender, Sample, run, run_silent, time},
    report::{Limit, Row},
    sshd::Sshd,
    subject::{Bench, Subject},
    wire,
};

/// Rounds of single commands, and number of runs of one script.
const ROUNDS: usize = 20;
const SCRIPT_RUNS: usize = 50;
const SCRIPT_ROUNDS: usize = 5;
/// Number of runs that are listed, and of the servers that they are on.
const LISTED: usize = 200;
const SERVERS: usize = 5;
/// Number of lists of one script.
const LISTS: usize = 10;
/// Time for which an idle supervisor is looked at.
const IDLE: Duration = Duration::from_secs(30);
/// Ticks a second of the processor times in `/proc`.
const TICKS: f64 = 100.0;

/// Registers models on servers that all lead to the same `sshd`.
fn server(bench: &Bench) -> Result<Sshd> {
    let sshd = Sshd::start(&bench.work)?;
    let registry = bench.work.join("detached.toml");
    let mut text = String::new();
    for number in 0..SERVERS {
        text += &sshd.table(&format!("there{number}"));
        text += &format!(
            "\n[models.far{number}]\nservers = ['there{number}']\nkeepalive = '5m'\ninferenceCommand = ['true']\n\n\
             [models.sleeps{number}]\nservers = ['there{number}']\ngrace = '1s'\ninferenceCommand = ['sleep', '3600']\n\n"
        );
    }
    text += "[models.sleeps]\ngrace = '1s'\ninferenceCommand = ['sleep', '3600']\n";
    fs::write(&registry, text).map_err(|error| format!("`{}`: {error}", registry.display()))?;
    bench.each(|subject| subject.apply(&registry).map(|()| 0.0))?;
    Ok(sshd)
}

/// A detached run until its uid is printed, beside a run of `true` to its end.
pub fn start(bench: &Bench) -> Result<Vec<Row>> {
    let _sshd = server(bench)?;
    let first = &bench.subjects[0];
    let plain = ["run", "--no-serve", "far0", "x"];
    let detached = ["run", "far0", "x", "--detach"];
    let beside: Contender = Box::new(|| time(|| run_silent(&mut first.command(&plain))));
    let of = |subject: &Subject| time(|| run_silent(&mut subject.command(&detached)));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![beside])?;
    let what = "`mer run --detach` over SSH, with a connection of its own";
    let alone = row(bench, what, "ms", Limit::AtMostTimes(1.5), samples, Some("`mer run` of `true`, the same"));

    let count = bench.scaled(SCRIPT_RUNS);
    let script = |name: &str, line: &str| -> Result<PathBuf> {
        let path = bench.work.join(name);
        fs::write(&path, line.repeat(count)).map_err(|error| error.to_string())?;
        Ok(path)
    };
    let scripts = [script("plain", "run --no-serve far0 x\n")?, script("detach", "run far0 x --detach\n")?];
    let [plain, detached] = &scripts;
    let beside: Contender = Box::new(|| of_script(first, plain, count));
    let of = |subject| Box::new(move || of_script(subject, detached, count)) as Contender;
    let samples = bench.in_turn(SCRIPT_ROUNDS, of, vec![beside])?;
    let name = Some("as many of `run` of `true`, one of them");
    let what = format!("a script of {count} of them over one connection, one of them");
    let script = row(bench, &what, "ms", Limit::AtMostTimes(1.5), samples, name);
    let at_hand = beside_resident(bench)?;
    bench.each(|subject| collected(subject).map(|()| 0.0))?;
    Ok(vec![alone, script, at_hand])
}

/// A detached run, beside a run through a resident that has a connection.
fn beside_resident(bench: &Bench) -> Result<Row> {
    let first = &bench.subjects[0];
    let mut resident = first.command(&["serve"]);
    let resident = resident.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut resident = resident.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    while wire::Resident::find(&first.runtime(), first.home()).is_err() && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(20));
    }
    let beside: Contender = Box::new(|| time(|| run_silent(&mut first.command(&["run", "far0", "x"]))));
    let of = |subject: &Subject| time(|| run_silent(&mut subject.command(&["run", "far0", "x", "--detach"])));
    let samples = bench.in_turn(ROUNDS, |subject| Box::new(move || of(subject)), vec![beside]);
    let _ = resident.kill();
    let _ = resident.wait();
    let name = Some("`mer run` of `true` through a resident that has the connection");
    Ok(row(
        bench,
        "`mer run --detach` over SSH while a resident is there",
        "ms",
        Limit::AtMostTimes(1.5),
        samples?,
        name,
    ))
}

/// Milliseconds of one of the lines of a script.
fn of_script(subject: &Subject, script: &Path, count: usize) -> Result<f64> {
    let mut command = subject.command(&[]);
    command.stdin(fs::File::open(script).map_err(|error| error.to_string())?).stdout(Stdio::null());
    Ok(time(|| run(&mut command))? / count as f64)
}

/// Puts the ends of all runs that are over on record.
fn collected(subject: &Subject) -> Result<()> {
    while !detached(subject)?.is_empty() {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Returns the uids of the detached runs that go on.
fn detached(subject: &Subject) -> Result<Vec<String>> {
    let output = subject.command(&["ps", "--json"]).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let running = rows.filter(|row| row["requestUid"].is_string());
    Ok(running.filter_map(|row| row["requestUid"].as_str().map(str::to_owned)).collect())
}

/// Lists many runs on some servers, with the connections at hand.
pub fn list(bench: &Bench) -> Result<Vec<Row>> {
    let _sshd = server(bench)?;
    let count = bench.scaled(LISTED).div_ceil(SERVERS) * SERVERS;
    let begin = bench.work.join("begin");
    let lines: String = (0..count).map(|number| format!("run sleeps{} x --detach\n", number % SERVERS)).collect();
    fs::write(&begin, lines).map_err(|error| error.to_string())?;
    let lists = |number: usize| -> Result<PathBuf> {
        let path = bench.work.join(format!("lists{number}"));
        fs::write(&path, "ps\n".repeat(number)).map_err(|error| error.to_string())?;
        Ok(path)
    };
    let (one, many) = (lists(1)?, lists(1 + LISTS)?);
    let mut samples = (Vec::new(), Vec::new());
    for subject in &bench.subjects {
        let mut command = subject.command(&[]);
        command.stdin(fs::File::open(&begin).map_err(|error| error.to_string())?).stdout(Stdio::null());
        run(&mut command)?;
        let uids = detached(subject)?;
        let (mut at_hand, mut anew) = (Vec::new(), Vec::new());
        for _ in 0..SCRIPT_ROUNDS {
            let first = of_script(subject, &one, 1)?;
            at_hand.push((of_script(subject, &many, 1)? - first) / LISTS as f64);
            anew.push(time(|| run_silent(&mut subject.command(&["ps"])))?);
        }
        let stop: Vec<&str> = ["stop", "--now"].into_iter().chain(uids.iter().map(String::as_str)).collect();
        run_silent(&mut subject.command(&stop))?;
        collected(subject)?;
        if uids.len() != count {
            return Err(format!("{} of {count} runs were listed", uids.len()));
        }
        samples.0.push(Sample::new(at_hand));
        samples.1.push(Sample::new(anew));
    }
    let what = format!("`ps` of {count} detached runs on {SERVERS} servers over SSH, connections at hand");
    let with = row(bench, &what, "ms", Limit::AtMost(500.0), samples.0, None);
    Ok(vec![with, row(bench, "the same as a command that connects to each", "ms", Limit::None, samples.1, None)])
}

/// Processor time and wake-ups of the supervisor of a run that goes on.
pub fn supervisor(bench: &Bench) -> Result<Vec<Row>> {
    let _sshd = server(bench)?;
    let (mut shares, mut wakes) = (Vec::new(), Vec::new());
    for subject in &bench.subjects {
        let uid = subject.command(&["run", "sleeps", "x", "--detach"]).output().map_err(|error| error.to_string())?;
        let uid = String::from_utf8_lossy(&uid.stdout).trim().to_owned();
        let folder = subject.home().join(format!(".local/state/mer/runs/{uid}-1"));
        let pids = || Some([word(&folder.join("pid"), 0)?, word(&folder.join("heartbeat"), 1)?]);
        let begun = Instant::now();
        while !folder.join("model").exists() || pids().is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                return Err(format!("`{}` has no supervisor", folder.display()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        // It looks every second until it knows the model.
        thread::sleep(Duration::from_secs(3));
        let pids = pids().ok_or("the supervisor is gone")?;
        let used = || pids.iter().map(|pid| used(*pid)).sum::<Result<Used>>();
        let (begun, before) = (Instant::now(), used()?);
        thread::sleep(IDLE);
        let (after, seconds) = (used()?, begun.elapsed().as_secs_f64());
        shares.push(Sample::one((after.seconds - before.seconds) / seconds * 100.0));
        wakes.push(Sample::one((after.switches - before.switches) / seconds));
        run_silent(&mut subject.command(&["stop", "--now", &uid]))?;
    }
    Ok(vec![
        row(
            bench,
            "processor time of the supervisor of a detached run, of one core",
            "%",
            Limit::AtMost(1.0),
            shares,
            None,
        ),
        row(bench, "wake-ups of it", "/s", Limit::AtMost(1.0), wakes, None),
    ])
}

fn word(file: &Path, at: usize) -> Option<u32> {
    fs::read_to_string(file).ok()?.split_whitespace().nth(at)?.parse().ok()
}

/// What a process and its children that have ended have used.
struct Used {
    seconds: f64,
    switches: f64,
}

impl std::iter::Sum for Used {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self { seconds: 0.0, switches: 0.0 }, |sum, one| Self {
            seconds: sum.seconds + one.seconds,
            switches: sum.switches + one.switches,
        })
    }
}

fn used(pid: u32) -> Result<Used> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).map_err(|error| format!("`{path}`: {error}"))
    };
    let stat = read("stat")?;
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect::<Vec<_>>()).unwrap_or_default();
    let ticks: f64 = fields.iter().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = read("status")?;
    let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok());
    Ok(Used { seconds: ticks / TICKS, switches: switches.unwrap_or(f64::NAN) })
}
