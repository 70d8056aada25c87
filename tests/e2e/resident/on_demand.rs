//! A resident that a run starts.

use std::{
    fs::File,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use rustix::process::Signal;

use super::support::Home;
use crate::support::{AtTerminal, Live, TestEnv, run, wait_until};

#[test]
fn a_kept_model_starts_a_resident_once() {
    let home = Home::new();
    assert_eq!(home.mer(["run", "curt", "x"]).ok(), "got x\n");
    assert_eq!(home.resident(), None, "a model without a keepalive starts none");
    let first = home.mer(["run", "kept", "pid"]).ok();
    let resident = home.resident().expect("a resident");
    assert_eq!(home.mer(["run", "kept", "pid"]).ok(), first);
    assert_eq!(home.resident(), Some(resident));
    let link = |what: &str| std::fs::read_link(format!("/proc/{resident}/{what}")).expect("a link");
    assert_eq!(link("cwd"), std::path::Path::new("/"));
    let stat = std::fs::read_to_string(format!("/proc/{resident}/stat")).expect("a status");
    let session: u32 = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_whitespace()
        .nth(3)
        .expect("a session")
        .parse()
        .expect("a number");
    assert_eq!(session, resident, "it leads a session of its own");
}

#[test]
fn many_callers_at_once_start_one() {
    let home = Home::new();
    let calls: Vec<Live> = (0..8).map(|_| Live::start(home.with(["run", "kept", "pid"]), Stdio::null())).collect();
    let pids: Vec<String> = calls.into_iter().map(|call| call.finish().ok()).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
}

#[test]
fn a_shell_does_not_wait_for_the_resident() {
    let home = Home::new();
    let mer = TestEnv::binary();
    let mut shell = Command::new("sh");
    // The third descriptor is one that the shell has opened for something else.
    shell.args(["-c", "exec 3>&1; answer=$(\"$1\" run kept x 2>&1); echo \"$answer\"", "sh"]).arg(mer);
    let like = home.with([]);
    shell
        .env_clear()
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(home.env.path("work"));
    // `run` waits until the pipes are closed.
    assert_eq!(run(shell).ok(), "got x\n");
    assert!(home.resident().is_some());
}

#[test]
fn a_job_or_a_service_starts_none() {
    let home = Home::new();
    for variable in ["SLURM_JOB_ID", "INVOCATION_ID"] {
        let mut command = home.with(["run", "kept", "x"]);
        command.env(variable, "7");
        assert_eq!(run(command).ok(), "got x\n");
    }
    let mut command = home.with(["run", "kept", "x"]);
    command.env("MER_SERVE", "false");
    assert_eq!(run(command).ok(), "got x\n");
    assert_eq!(home.mer(["run", "kept", "x", "--no-serve"]).ok(), "got x\n");
    assert_eq!(home.resident(), None);
}

#[test]
fn its_settings_are_those_of_the_run_and_no_password_is_on_its_command_line() {
    let home = Home::new();
    let mut command = home.with(["run", "kept", "x"]);
    command.env("MER_DRIVER_DB_PASSWORD", "hunter2hunter2");
    assert_eq!(run(command).ok(), "got x\n");
    let resident = wait_until("a resident", || home.resident());
    let line = std::fs::read(format!("/proc/{resident}/cmdline")).expect("a command line");
    assert!(!String::from_utf8_lossy(&line).contains("hunter2"), "{line:?}");
}

#[test]
fn the_first_process_of_a_container_starts_none() {
    let allowed = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        mer_testkit::require::unavailable("pid namespace", "only root can make one here");
        return;
    }
    let home = Home::new();
    let like = home.with([]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]).arg(TestEnv::binary()).args(["run", "kept", "x"]);
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.env.path("work"));
    assert_eq!(run(command).ok(), "got x\n");
    assert_eq!((home.resident(), home.socket()), (None, None));
}

#[test]
fn a_resident_that_ends_while_a_call_starts_another_one_is_no_failure() {
    let home = Home::new();
    for _ in 0..5 {
        assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
        // It may not be there: a call that met one on its way out went on alone.
        let Some(resident) = home.resident() else { continue };
        let pid = rustix::process::Pid::from_raw(resident.try_into().expect("a pid")).expect("a pid");
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
    assert!(home.env.rows().iter().all(|row| row["status"] == "succeeded"));
}

#[test]
fn a_person_who_waited_for_a_model_is_told_once_a_day_how_to_keep_it() {
    let env = TestEnv::ready();
    env.apply("[models.heavy]\nprotocol = 'lines'\nshell = true\nreadyToken = 'READY'\ninferenceCommand = 'sleep 2.1; echo READY; while read -r x; do echo \"got $x\"; done'\n");
    let shown = |args: [&str; 3]| {
        let (ran, shown) = AtTerminal::start(&env, args).finish();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "got x\n"), "{shown}");
        shown
    };
    let hint = "`mer --allow-changes model set heavy --keepalive 5m` keeps it for further calls";
    // Not a person.
    assert_eq!(env.mer(["run", "heavy", "x"]).ok(), "got x\n");
    let first = shown(["run", "heavy", "x"]);
    assert!(first.contains("`heavy` took 2.") && first.contains(hint), "{first}");
    let second = shown(["run", "heavy", "x"]);
    assert!(!second.contains("--keepalive"), "{second}");
    // A day later.
    let stamp = File::options().write(true).open(env.path("state/mer/keepalive-hint")).expect("the stamp");
    stamp.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).expect("a time");
    let third = shown(["run", "heavy", "x"]);
    assert!(third.contains(hint), "{third}");
}
