//! Bad inputs and faults of detached runs.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use rustix::process::Signal;

use super::support::{detach, folder, home, listed, words};
use crate::support::{alive, wait_gone, wait_until};

#[test]
fn what_cannot_be_detached_is_refused_and_leaves_nothing() {
    let env = home();
    env.apply(
        "[models.stays]\nprotocol = 'lines'\ninferenceCommand = ['cat']\n\n[models.missing]\n\
         inferenceCommand = ['no-such-program']\n\n[models.nowhere]\nmodelPath = '/no/such/folder'\n\
         inferenceCommand = ['cat']\n",
    );
    assert!(env.mer(["run", "stays", "x", "--detach"]).failed(64).contains("a `lines` process stays up"));
    assert!(env.mer(["run", "missing", "x", "--detach"]).failed(78).contains("`no-such-program` does not exist"));
    assert!(env.mer(["run", "nowhere", "x", "--detach"]).failed(78).contains("`/no/such/folder` cannot be used"));
    env.mer(["run", "says", "x", "--detach", "-o", "out"]).failed(64);
    env.mer(["run", "nothing", "x", "--detach"]).failed(66);
    let told = env.mer(["run", "says", "x", "--detach", "--retries", "1"]).failed(78);
    assert!(told.contains("only a cluster runs a job again, and none of its servers is one"), "{told}");
    env.mer(["train", "trains", "x", "--detach", "--retries", "1"]).failed(78);
    env.mer(["run", "says", "x", "--detach", "--retries", "1", "--retry-failed"]).failed(64);
    env.mer(["run", "says", "@missing", "--detach"]).failed(74);
    for command in ["attach", "wait", "fetch"] {
        assert!(env.mer([command, "0190"]).failed(66).contains("there is no access `0190`"));
    }
    assert!(
        !env.path("state/mer/runs").exists() || fs::read_dir(env.path("state/mer/runs")).expect("runs").count() == 0
    );
    assert!(listed(&env).is_empty());
    let rows = env.rows();
    assert!(rows.iter().all(|row| row["status"] == "failed"), "{rows:?}");
    env.mer(["run", "says", "x"]).ended(0);
    let uid = env.rows()[0]["requestUid"].as_str().expect("a uid").to_owned();
    assert!(env.mer(["attach", &uid]).failed(66).contains("was not detached"));
}

#[test]
fn secrets_are_in_no_file_and_in_no_command_line() {
    let env = home();
    let secret = "open-sesame-4711";
    env.apply(format!(
        "[models.knows]\nshell = true\nenv = {{ TOKEN = '{secret}' }}\n\
         inferenceCommand = 'echo \"${{#TOKEN}}\"; exec sleep 600'\n"
    ));
    let uid = detach(&env, &["run", "knows"]);
    let run = folder(&env, &uid);
    assert_eq!(words(&run, "stdout", 1), [secret.len().to_string()]);
    assert_eq!(fs::metadata(&run).expect("a folder").permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&run).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read(&path).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(secret), "{}", path.display());
    }
    let lines = Command::new("ps").args(["-A", "-o", "args"]).output().expect("ps").stdout;
    assert!(!String::from_utf8_lossy(&lines).contains(secret));
    env.mer(["stop", &uid, "--now"]).ended(0);
}

#[test]
fn a_lost_run_says_why() {
    let env = home();
    let [killed, rebooted, removed] = ["waits"; 3].map(|model| detach(&env, &["run", model]));
    for uid in [&killed, &rebooted, &removed] {
        words(&folder(&env, uid), "artefacts/pid", 1);
    }
    let error = |uid: &str, told: &str| {
        let said = env.mer(["wait", uid]).failed(69);
        assert!(said.contains(told), "{said}");
        assert_eq!(env.mer(["log", "show", uid, "--json"]).object()["status"], "lost");
    };
    let run = folder(&env, &killed);
    let model = words(&run, "model", 2)[0].parse().expect("a pid");
    for process in [words(&run, "heartbeat", 3)[1].clone(), words(&run, "pid", 4)[0].clone()] {
        kill(&process);
    }
    error(&killed, "its supervisor was killed");
    wait_gone(model);

    let run = folder(&env, &rebooted);
    let pid = words(&run, "pid", 4);
    let model = words(&run, "model", 2)[0].parse().expect("a pid");
    fs::write(run.join("pid"), format!("{} {} other-boot {}\n", pid[0], pid[1], pid[3])).expect("a file");
    error(&rebooted, "its machine was started again");
    kill(&pid[0]);
    wait_gone(model);

    let run = folder(&env, &removed);
    let model = words(&run, "model", 2)[0].parse().expect("a pid");
    wait_until("the first second", || (words(&run, "heartbeat", 3)[0] != "0").then_some(()));
    fs::remove_dir_all(&run).expect("removed");
    error(&removed, "its folder was removed");
    assert!(!alive(model));
}

#[test]
fn a_start_whose_input_does_not_come_is_ended_by_a_signal() {
    let env = home();
    let mut live = env.start(["run", "says", "--detach"]);
    let _open = live.take_stdin();
    let runs = env.path("state/mer/runs");
    wait_until("the wait for the input", || {
        let run = fs::read_dir(&runs).ok()?.next()?.ok()?;
        run.path().join("input").exists().then_some(())
    });
    live.signal(Signal::INT);
    live.finish().ended(130);
    assert_eq!(env.rows()[0]["status"], "cancelled");
    assert!(listed(&env).is_empty());
}

#[test]
fn a_run_of_another_machine_is_left_to_it() {
    let env = home();
    let uid = detach(&env, &["run", "waits"]);
    let pid = words(&folder(&env, &uid), "pid", 4);
    // As a login node that shares the folder sees it.
    fs::write(folder(&env, &uid).join("pid"), format!("{} {} {} login2\n", pid[0], pid[1], pid[2])).expect("a file");
    let row = listed(&env).remove(0);
    assert_eq!((row["state"].as_str(), row["why"].as_str()), (Some("unknown"), Some("its supervisor is on `login2`")));
    fs::write(folder(&env, &uid).join("pid"), pid.join(" ") + "\n").expect("a file");
    env.mer(["stop", &uid, "--now"]).ended(0);
}

fn kill(process: &str) {
    assert!(Command::new("kill").args(["-KILL", process]).status().expect("kill").success());
}
