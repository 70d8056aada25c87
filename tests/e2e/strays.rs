//! Children that left the process group of their model.

use std::process::Command;

use mer_testkit::processes::{self, kill};
use rustix::process::Signal;

use crate::support::{Live, TestEnv, alive, pid_in, wait_gone, wait_until};

/// Needs the program `setsid`.
const MODELS: &str = r#"
[models.leaver]
shell = true
grace = "500ms"
inferenceCommand = "rm -f stray.pid; setsid sh -c 'echo $$ > stray.pid; exec sleep 600' >/dev/null 2>&1 & until [ -s stray.pid ]; do sleep 0.01; done; echo begun; [ \"$(cat)\" != stay ] || exec sleep 600"

[models.keeper]
shell = true
leaveChildren = true
inferenceCommand = "rm -f stray.pid; setsid sh -c 'echo $$ > stray.pid; exec sleep 600' >/dev/null 2>&1 & until [ -s stray.pid ]; do sleep 0.01; done; echo begun; [ \"$(cat)\" != stay ] || exec sleep 600"

[models.lineLeaver]
protocol = "lines"
shell = true
grace = "500ms"
inferenceCommand = "rm -f stray.pid; setsid sh -c 'echo $$ > stray.pid; exec sleep 600' >/dev/null 2>&1 & until [ -s stray.pid ]; do sleep 0.01; done; while read -r x; do echo \"$x\"; done"
"#;

fn env() -> TestEnv {
    let env = TestEnv::ready();
    env.apply(MODELS);
    env
}

fn stray(env: &TestEnv) -> u32 {
    pid_in(&env.path("work/stray.pid"))
}

#[test]
fn strays_end_with_the_model_however_it_ends() {
    let env = env();
    env.mer(["run", "leaver", "x"]).ended(0);
    assert!(!alive(stray(&env)), "after a good end");
    env.mer(["run", "leaver", "stay", "--timeout", "1s"]).ended(124);
    assert!(!alive(stray(&env)), "after a timeout");
    env.mer(["run", "lineLeaver", "x"]).ended(0);
    assert!(!alive(stray(&env)), "of a process that is not kept");
    env.script(&["run lineLeaver x", "run lineLeaver y"]).ended(0);
    assert!(!alive(stray(&env)), "of a process that was kept");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let live = env.start(["run", "leaver", "stay"]);
        live.wait_stdout("begun\n");
        live.signal(signal);
        wait_until("the end of mer", || (!alive(live.pid())).then_some(()));
        assert!(!alive(stray(&env)), "after {signal:?}");
        drop(live);
    }
}

#[test]
fn strays_stay_where_the_registry_says_so() {
    let env = env();
    env.mer(["run", "keeper", "x"]).ended(0);
    let left = stray(&env);
    let outlives = alive(left);
    kill(left);
    assert!(outlives, "after a good end");

    // After a kill -9 the watcher does the same as a regular end: the model is ended, `leaveChildren` keeps its children.
    std::fs::remove_file(env.path("work/stray.pid")).expect("removed");
    let live = env.start(["run", "keeper", "stay"]);
    live.wait_stdout("begun\n");
    let left = stray(&env);
    let model = processes::descendants(live.pid());
    live.signal(Signal::KILL);
    model.into_iter().filter(|pid| *pid != left).for_each(wait_gone);
    let outlives = alive(left);
    kill(left);
    assert!(outlives, "after a kill -9");
    drop(live);
}

#[test]
fn a_killed_mer_ends_strays_too() {
    let env = env();
    let live = env.start(["run", "leaver", "stay"]);
    live.wait_stdout("begun\n");
    let left = stray(&env);
    live.signal(Signal::KILL);
    wait_gone(left);
    drop(live);
}

#[test]
fn leave_children_is_a_flag_of_add_and_set() {
    let env = TestEnv::ready();
    env.mer(["model", "add", "d", "--leave-children", "--allow-changes", "--", "true"]).ended(0);
    assert!(env.mer(["export"]).ok().contains("leaveChildren = true"));
    env.mer(["model", "set", "d", "--unset", "leaveChildren", "--allow-changes"]).ended(0);
    assert!(!env.mer(["export"]).ok().contains("leaveChildren"));
    env.mer(["model", "set", "d", "--leave-children", "--allow-changes"]).ended(0);
    assert_eq!(env.mer(["model", "show", "d", "--json"]).object()["leaveChildren"], true);
}

/// As the first process of a container, `mer` becomes the parent of every orphan.
#[test]
fn as_process_1_it_reaps_what_others_leave_behind() {
    let allowed = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        mer_testkit::require::unavailable("pid namespace", "only root can make one here");
        return;
    }
    let env = TestEnv::ready();
    let mut command = Command::new("unshare");
    let mer = env.command();
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(TestEnv::binary());
    command.env_clear().envs(mer.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(env.path("work"));
    let mut live = Live::start(command, std::process::Stdio::piped());
    live.say("run cat x\n");
    live.wait_stdout("x\n");
    let first = processes::descendants(live.pid())[0];
    // Two processes in its namespace; the first one ends at once and orphans the second.
    let target = first.to_string();
    let entered = Command::new("nsenter")
        .args([
            "--target",
            &target,
            "--pid",
            "--mount",
            "sh",
            "-c",
            "for i in 1 2 3; do sh -c 'sleep 0.2 & exit' & done; wait",
        ])
        .status();
    assert!(entered.expect("nsenter").success());
    let zombies = || processes::descendants(first).into_iter().filter(|pid| !alive(*pid)).count();
    wait_until("orphans", || (zombies() == 3).then_some(()));
    wait_until("an end of the zombies", || (zombies() == 0).then_some(()));
    live.say("run cat y\n");
    live.wait_stdout("y\n");
    live.say("quit\n");
    drop(live);
}
