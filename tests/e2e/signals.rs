//! Signals: which ones end a run, the exit code, and that no process is left.

use std::{io::BufRead, io::BufReader, process::Stdio, time::Instant};

use rustix::process::Signal;

use crate::support::{Live, TestEnv, bearers, pid_in, wait_gone, wait_until};

#[test]
fn ctrl_c_term_and_hangup_cancel_a_run_and_its_model_is_gone() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let env = TestEnv::ready();
        let live = env.start(["run", "slow", "x"]);
        live.wait_stdout("begun\n");
        let model = pid_in(&env.path("work/slow.pid"));
        live.signal(signal);
        let ran = live.finish().ended(code);
        assert_eq!(ran.stdout, "begun\n");
        wait_gone(model);
        let row = env.row();
        assert_eq!((&row["status"], &row["stdoutBytes"]), (&"cancelled".into(), &6.into()), "{row}");
    }
}

#[test]
fn a_model_that_ignores_term_is_killed_when_its_grace_is_over() {
    let env = TestEnv::ready();
    let live = env.start(["run", "stubborn", "x"]);
    live.wait_stdout("begun\n");
    let model = pid_in(&env.path("work/stubborn.pid"));
    live.signal(Signal::TERM);
    live.finish().ended(143);
    wait_gone(model);
    assert_eq!((&env.row()["status"], &env.row()["signal"]), (&"cancelled".into(), &"SIGKILL".into()));
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace() {
    let env = TestEnv::ready();
    env.apply(concat!(
        "[models.patient]\nshell = true\ngrace = '10m'\n",
        "inferenceCommand = \"trap '' INT; trap 'echo asked' TERM; echo begun; while :; do sleep 0.05; done\"\n"
    ));
    let live = env.start(["run", "patient", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::INT);
    live.wait_stdout("asked\n");
    let begun = Instant::now();
    live.signal(Signal::INT);
    live.finish().ended(130);
    assert!(begun.elapsed().as_secs() < 30);
}

#[test]
fn a_cancelled_run_ends_the_whole_family() {
    let env = TestEnv::ready();
    let live = env.start(["run", "family", "x"]);
    live.wait_stdout("begun\n");
    let (parent, grandchild) = (pid_in(&env.path("work/parent.pid")), pid_in(&env.path("work/grandchild.pid")));
    live.signal(Signal::TERM);
    live.finish().ended(143);
    wait_gone(parent);
    wait_gone(grandchild);
}

#[test]
fn a_timeout_ends_the_whole_family() {
    let env = TestEnv::ready();
    env.mer(["run", "family", "x", "--timeout", "300ms"]).ended(124);
    wait_gone(pid_in(&env.path("work/grandchild.pid")));
}

#[test]
fn a_reader_that_leaves_cancels_quietly_with_141() {
    let env = TestEnv::ready();
    let (reader, writer) = std::io::pipe().expect("pipe");
    let live = Live::start_to(env.with(["run", "yes"]), Stdio::null(), writer);
    let mut first = String::new();
    let mut reader = BufReader::new(reader);
    reader.read_line(&mut first).expect("a line");
    assert_eq!(first, "y\n");
    drop(reader);
    let ran = live.finish().ended(141);
    assert_eq!(ran.stderr, "");
    assert_eq!(env.row()["status"], "cancelled");
}

#[test]
fn a_script_is_ended_by_a_signal_with_its_warm_models() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let env = TestEnv::ready();
        let mut live = env.start([]);
        live.say("run liner pid\n");
        live.wait_stdout("\n");
        let model = pid_in(&env.path("work/liner.pid"));
        live.signal(signal);
        // Its standard input is still open; the end must not depend on that.
        wait_until("the end of the script", || (!crate::support::alive(live.pid())).then_some(()));
        live.finish().ended(code);
        wait_gone(model);
        assert_eq!(env.row()["status"], "succeeded");
    }
}

#[test]
fn a_signal_stops_a_script_in_the_middle_of_a_run() {
    let env = TestEnv::ready();
    let mut live = env.start([]);
    live.say("run slow x\nrun cat never\n");
    live.wait_stdout("begun\n");
    live.signal(Signal::INT);
    let ran = live.finish().ended(130);
    assert_eq!(ran.stdout, "begun\n");
    assert_eq!(env.row()["status"], "cancelled");
}

#[test]
fn the_end_of_a_script_ends_its_warm_models_and_their_watcher() {
    let env = TestEnv::ready();
    let mut live = {
        let mut command = env.command();
        command.env("E2E_MARK", env.path("mark"));
        Live::start(command, Stdio::piped())
    };
    live.say("run liner pid\nrun parrot hello\nrun upper hello\n");
    live.wait_stdout("HELLO\n");
    let marker = format!("E2E_MARK={}", env.path("mark").display());
    assert!(bearers(&marker).len() >= 4, "mer and three models at least: {:?}", bearers(&marker));
    live.finish().ended(0);
    wait_until("the end of everything", || bearers(&marker).is_empty().then_some(()));
}

/// Returns `mer` with these arguments, started by a shell that runs a statement first.
fn after(env: &TestEnv, first: &str, words: &str) -> std::process::Command {
    let mut command = env.program(std::path::Path::new("sh"));
    command.args(["-c", &format!("{first}; exec \"$0\" {words}")]).arg(TestEnv::binary());
    command
}

/// `nohup`, `trap '' INT` and background jobs of scripts ignore signals on purpose; `mer` keeps that.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    for (name, ignored) in [("HUP", Signal::HUP), ("INT", Signal::INT), ("TERM", Signal::TERM)] {
        let env = TestEnv::ready();
        let live = Live::start(after(&env, &format!("trap '' {name}"), "run waiting x"), Stdio::piped());
        live.wait_stdout("first\n");
        live.signal(ignored);
        live.signal(ignored);
        env.file("work/go", "");
        let ran = live.finish().ended(0);
        assert_eq!(ran.stdout, "first\nlast\n", "{name}");
        assert_eq!(env.row()["status"], "succeeded");
    }
}

/// Other signals work as usual, and the model starts with the default action of the signal that ends it.
#[test]
fn a_signal_that_is_not_ignored_ends_the_model_at_once() {
    for (ignored, signal, code) in [("HUP INT", Signal::TERM, 143), ("TERM", Signal::INT, 130)] {
        let env = TestEnv::ready();
        env.apply("[models.patient]\nshell = true\ngrace = '10m'\ninferenceCommand = 'echo begun; exec sleep 600'\n");
        let live = Live::start(after(&env, &format!("trap '' {ignored}"), "run patient x"), Stdio::piped());
        live.wait_stdout("begun\n");
        live.signal(signal);
        live.finish().ended(code);
        assert_eq!(env.row()["signal"], "SIGTERM");
    }
}

#[test]
fn a_script_with_an_ignored_signal_goes_on_and_its_hangup_too() {
    let env = TestEnv::ready();
    let mut live = Live::start(after(&env, "trap '' HUP", ""), Stdio::piped());
    live.say("run liner a\n");
    live.wait_stdout("got a\n");
    live.signal(Signal::HUP);
    live.say("run liner b\n");
    live.wait_stdout("got b\n");
    live.finish().ended(0);
}

/// The thread that listens while nothing reads standard output ignores the same signals.
#[test]
fn a_signal_that_was_ignored_stays_ignored_while_output_is_not_taken() {
    let env = TestEnv::ready();
    let (unread, stdout) = std::io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&stdout, 4096).expect("a small pipe");
    let mut live = Live::start_to(after(&env, "trap '' HUP", "model list --json"), Stdio::null(), stdout);
    wait_until("it listens while it waits", || {
        threads(live.pid()).iter().any(|name| name == "mer-signals").then_some(())
    });
    for _ in 0..20 {
        live.signal(Signal::HUP);
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert!(!live.is_over(), "it was ended by a signal that it was started to ignore");
    }
    let listed = std::io::read_to_string(unread).expect("its output");
    assert!(listed.len() > 4096 && listed.ends_with('\n'), "{listed}");
    live.finish().ended(0);
}

/// Returns the names of a process's threads.
fn threads(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// Some service managers and languages start their children with blocked signals.
#[test]
fn a_blocked_signal_works_and_is_not_blocked_for_models() {
    let env = TestEnv::ready();
    let live = {
        let all = nix::sys::signal::SigSet::all();
        let before = all.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).expect("blocked");
        let live = env.start(["run", "slow", "x"]);
        before.thread_set_mask().expect("as before");
        live
    };
    live.wait_stdout("begun\n");
    let model = pid_in(&env.path("work/slow.pid"));
    let blocked = std::fs::read_to_string(format!("/proc/{model}/status")).expect("a status");
    let blocked = blocked.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("a mask").trim().to_owned();
    assert_eq!(blocked.trim_start_matches('0'), "");
    live.signal(Signal::TERM);
    live.finish().ended(143);
    assert_eq!(env.row()["signal"], "SIGTERM");
}
