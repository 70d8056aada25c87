//! A root folder without /proc, as in a chroot.

use std::process::Command;

use super::support::Home;
use crate::support::{TestEnv, alive, run, wait_until};

/// Runs this script where /proc is empty, with `mer` as `$1`; none if no mount namespace can be made here.
fn script_of(home: &Home, script: &str) -> Option<Command> {
    let hidden = ["--mount", "sh", "-c", "mount -t tmpfs none /proc && [ ! -e /proc/self ]"];
    if !Command::new("unshare").args(hidden).status().is_ok_and(|status| status.success()) {
        mer_testkit::require::unavailable("mount namespace", "only root can make one here");
        return None;
    }
    let like = home.with([]);
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs none /proc || exit 99; set -e; {script}");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(TestEnv::binary());
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.env.path("work"));
    Some(command)
}

#[test]
fn runs_and_kept_models_work() {
    let home = Home::new();
    let script = r#""$1" run cat x; "$1" run kept y; "$1" ps --json; "$1" load --quiet kept; "$1" stop --all --quiet; "$1" ps --json"#;
    let Some(command) = script_of(&home, script) else { return };
    // The resident that it starts works without /proc, too.
    let ran = run(command).ended(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((lines.len(), &lines[..2]), (3, &["x", "got y"][..]), "{ran:?}");
    assert!(lines[2].contains(r#""state":"ready""#) && lines[2].contains(r#""memoryBytes":null"#), "{ran:?}");
    assert_eq!(home.via("kept"), "resident");
}

#[test]
fn a_killed_resident_leaves_no_model() {
    let home = Home::new();
    let script = r#""$1" serve 2>serve.err & resident=$!
        until grep -q 'ready on' serve.err; do sleep 0.02; done
        "$1" run kept pid; kill -9 $resident"#;
    let Some(command) = script_of(&home, script) else { return };
    let model: u32 = run(command).stdout.trim().parse().expect("a pid");
    wait_until("the end of the model", || (!alive(model)).then_some(()));
}
