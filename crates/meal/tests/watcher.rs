//! No model runs on when the process that started it is killed.

mod common;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{FAKE, carrying, eventually, eventually_async, runs, spec};
use mer_meal::{Executor, LocalConfig};
use rustix::process::{Pid, Signal, kill_process};

/// A parent that starts 30 models, some with grandchildren, some of which ignore TERM.
fn parent(mark: &str) -> (Child, impl BufRead) {
    let mut child = Command::new(FAKE)
        .args(["parent", mark])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a parent");
    let lines = BufReader::new(child.stdout.take().expect("its stdout"));
    (child, lines)
}

fn mark(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

fn nothing_left(mark: &str) {
    eventually("no model is left", || carrying(&format!("FAKE_MARK={mark}")).is_empty());
}

#[test]
fn killing_the_parent_ends_all_models_and_their_grandchildren() {
    let mark = mark("all");
    let (mut child, mut lines) = parent(&mark);
    let mut line = String::new();
    while line != "all\n" {
        line.clear();
        assert!(lines.read_line(&mut line).expect("a line") > 0);
    }
    // Ten of them are grandchildren, whose parents have ended.
    eventually("30 models run", || carrying(&format!("FAKE_MARK={mark}")).len() >= 30);
    child.kill().expect("killed");
    child.wait().expect("reaped");
    nothing_left(&mark);
}

/// A parent with a model that ignores TERM for this long and holds the lock on this file.
fn locking_parent(mark: &str, lock: &std::path::Path, grace: &str) -> (Child, impl BufRead) {
    let mut command = Command::new(FAKE);
    command.args(["locking-parent", mark]).arg(lock).arg(grace);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a parent");
    let mut lines = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert_eq!(line, "started\n");
    (child, lines)
}

/// What a killed parent's model holds is free when the model is gone, and not before.
#[test]
fn a_lock_of_a_killed_parent_lasts_until_its_model_is_gone() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for round in 0..3 {
        let mark = mark(&format!("lock-{round}"));
        let (mut child, _lines) = locking_parent(&mark, file.path(), "700");
        let lock = std::fs::File::options().read(true).write(true).open(file.path()).expect("opened");
        assert!(lock.try_lock().is_err(), "the model holds it");
        child.kill().expect("killed");
        child.wait().expect("reaped");
        assert!(lock.try_lock().is_err(), "the model takes its grace");
        assert!(!carrying(&format!("FAKE_MARK={mark}")).is_empty());
        eventually("the lock is free", || lock.try_lock().is_ok());
        assert!(carrying(&format!("FAKE_MARK={mark}")).is_empty(), "the model is gone");
    }
}

/// The watcher has the lock open, too, but a parent that lives gives it back at once.
#[test]
fn a_lock_is_free_once_its_model_was_ended() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mark = mark("lock-ended");
    let (mut child, mut lines) = locking_parent(&mark, file.path(), "700");
    std::io::Write::write_all(child.stdin.as_mut().expect("stdin"), b"x").expect("written");
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert_eq!(line, "ended\n");
    let lock = std::fs::File::options().read(true).write(true).open(file.path()).expect("opened");
    eventually("the lock is free", || lock.try_lock().is_ok());
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

/// Killed at any moment, also between a spawn and the line to the watcher about it.
#[test]
fn killing_the_parent_at_any_moment_leaves_nothing() {
    for round in 0..20u32 {
        let mark = mark(&format!("round-{round}"));
        let (mut child, mut lines) = parent(&mark);
        lines.read_line(&mut String::new()).expect("a line");
        std::thread::sleep(Duration::from_micros(u64::from(round) * 731));
        child.kill().expect("killed");
        child.wait().expect("reaped");
        nothing_left(&mark);
    }
}

/// A model whose group the watcher was not told, because its parent died first, is found by its environment.
#[test]
fn a_model_that_was_never_told_is_found_by_its_nonce() {
    let nonce = mark("nonce");
    let (mut models, stop) = (Vec::new(), |models: &mut Vec<Child>| {
        models.iter_mut().for_each(|model| drop(model.kill().and_then(|()| model.wait())));
    });
    for args in [["say-and-sleep"], ["ignore-term"]] {
        let mut command = Command::new(FAKE);
        command.args(args).env("MER_WATCH", &nonce).stdout(Stdio::piped()).stdin(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        models.push(command.spawn().expect("a model"));
        let mut ready = String::new();
        BufReader::new(models.last_mut().and_then(|model| model.stdout.as_mut()).expect("stdout"))
            .read_line(&mut ready)
            .expect("a line");
        assert_eq!(ready, "ready\n");
    }
    let mut watcher = Command::new(FAKE).arg("watcher").stdin(Stdio::piped()).env_clear().spawn().expect("a watcher");
    let mut pipe = watcher.stdin.take().expect("stdin");
    // A group that does not exist sets the grace period.
    std::io::Write::write_all(&mut pipe, format!("nonce {nonce}\n+2147483647 300\n").as_bytes()).expect("written");
    drop(pipe);
    let pids: Vec<u32> = models.iter().map(Child::id).collect();
    let gone = std::panic::catch_unwind(|| eventually("they are gone", || !pids.iter().any(|pid| runs(*pid))));
    stop(&mut models);
    watcher.wait().expect("it leaves by itself");
    gone.expect("gone");
}

#[test]
fn the_watcher_outlives_signals_and_leaves_when_told() {
    let mut command = Command::new(FAKE);
    command.arg("watcher").stdin(Stdio::piped()).env_clear();
    let mut watcher = command.spawn().expect("a watcher");
    let pid = Pid::from_child(&watcher);
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", watcher.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap_or(0) & (1 << 14) != 0
    };
    eventually("it is prepared", caught);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(pid, signal).expect("sent");
    }
    assert!(runs(watcher.id()));
    let mut pipe = watcher.stdin.take().expect("stdin");
    std::io::Write::write_all(&mut pipe, b"bye\n").expect("written");
    drop(pipe);
    assert!(watcher.wait().expect("it leaves").success());
}

/// The watchers with this word at the end of their command line.
fn watchers(mark: &str) -> Vec<u32> {
    let end = format!("\0{mark}\0");
    let pids =
        std::fs::read_dir("/proc").expect("/proc").filter_map(|one| one.ok()?.file_name().to_str()?.parse().ok());
    let is = |pid: u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(end.as_bytes()));
    pids.filter(|pid| is(*pid) && runs(*pid)).collect()
}

/// A watcher that is killed is replaced before the next start, because its `mer` may be killed next.
#[tokio::test]
async fn a_watcher_that_died_is_replaced_although_nothing_is_started() {
    let mark = mark("at-once");
    let watcher_argv = vec!["watcher".to_owned(), mark.clone()];
    let executor = Executor::local(LocalConfig { self_exe: FAKE.into(), watcher_argv });
    let model = executor.start(&spec(&["sleep"])).await.expect("starts");
    for _ in 0..2 {
        eventually("the watcher runs", || watchers(&mark).len() == 1);
        let before = watchers(&mark)[0];
        kill_process(Pid::from_raw(before.cast_signed()).expect("a pid"), Signal::KILL).expect("killed");
        eventually_async("there is a new watcher", || matches!(watchers(&mark)[..], [now] if now != before)).await;
    }
    drop((model, executor));
    eventually("it has left", || watchers(&mark).is_empty());
}

/// A watcher that was killed for memory: the next start starts another one, which knows all models.
#[tokio::test]
async fn a_watcher_that_died_is_replaced() {
    let mark = mark("replaced");
    let watcher_argv = vec!["watcher".to_owned(), mark.clone()];
    let executor = Executor::local(LocalConfig { self_exe: FAKE.into(), watcher_argv });
    let watchers = || watchers(&mark);
    let mut first = executor.start(&spec(&["ignore-term"])).await.expect("starts");
    eventually("the watcher runs", || watchers().len() == 1);
    let pid = Pid::from_raw(watchers()[0].cast_signed()).expect("a pid");
    kill_process(pid, Signal::KILL).expect("killed");
    eventually("it is dead", || watchers().is_empty());
    let second = executor.start(&spec(&["sleep"])).await.expect("starts");
    eventually("a new one runs", || watchers().len() == 1);
    // Both models end while it watches; then it ends too.
    first.control.kill();
    first.control.wait().await;
    drop((first, second, executor));
    eventually("it has left", || watchers().is_empty());
}
