//! No process stays behind on the server, however `mer` ends.

use std::{os::unix::fs::symlink, process::Command, time::Duration};

use mer_testkit::{
    network::Proxy,
    require,
    sshd::{Shell, Sshd},
};
use rustix::process::Signal;
use serde_json::json;

use super::There;
use crate::support::{pid_in, wait_gone};

#[test]
fn signals_end_the_remote_group_and_the_message_says_so() {
    for (signal, code, name) in
        [(Signal::INT, 130, "Ctrl-C"), (Signal::TERM, 143, "SIGTERM"), (Signal::HUP, 129, "SIGHUP")]
    {
        let Some(there) = There::new() else { return };
        let live = there.env.start(["run", "far-slow", "x"]);
        live.wait_stdout("begun\n");
        let (model, grandchild) = (pid_in(&there.home("slow.pid")), pid_in(&there.home("grandchild.pid")));
        live.signal(signal);
        let ran = live.finish().ended(code);
        // No waiting: `mer` reports the end only after it was verified.
        assert!(!crate::support::alive(model) && !crate::support::alive(grandchild));
        let said = format!("mer: `far-slow` on `there`: cancelled by {name}; its process on `there` is gone\n");
        assert!(ran.stderr.starts_with(&said), "{}", ran.stderr);
        let row = there.env.row();
        assert_eq!(row["error"], "cancelled; its process on `there` is gone");
        assert_eq!((&row["status"], &row["signal"]), (&json!("cancelled"), &json!("SIGTERM")), "{row}");
    }
}

/// Returns a folder with the programs of a small machine (busybox only, or mksh as `sh`), and the line for an rc file that
/// puts it on PATH.
pub(super) fn programs(name: &str) -> Option<(tempfile::TempDir, String)> {
    let Some(program) = require::program(name, &[]) else {
        require::missing(name, "it is not on the PATH");
        return None;
    };
    let bin = tempfile::tempdir().expect("a folder");
    let applets = match name {
        "busybox" => Command::new(&program).arg("--list").output().expect("the applets").stdout,
        _ => b"sh".to_vec(),
    };
    for applet in String::from_utf8(applets).expect("names").lines() {
        symlink(&program, bin.path().join(applet)).expect("a link");
    }
    let usual = if name == "busybox" { "" } else { ":/usr/bin:/bin" };
    let path = format!("PATH={}{usual}; export PATH", bin.path().display());
    Some((bin, path))
}

#[test]
fn a_machine_of_busybox_only_and_one_whose_sh_is_mksh() {
    for name in ["busybox", "mksh"] {
        let Some((_bin, path)) = programs(name) else { continue };
        let Some(there) = There::with(Sshd::builder().shell(Shell::Sh, &path)) else { return };
        let told = there.env.script(&["run far-cat hello", "run far-liner x", "run far-token y"]).ok();
        assert_eq!(told, "hello\ngot x\ny\n", "{name}");
        for model in ["far-slow", "far-stubborn"] {
            let live = there.env.start(["run", model, "x"]);
            live.wait_stdout("begun\n");
            let pid = pid_in(&there.home(&model.replace("far-", "")).with_extension("pid"));
            live.signal(Signal::TERM);
            let ran = live.finish().ended(143);
            assert!(ran.stderr.contains("; its process on `there` is gone\n"), "{name}: {}", ran.stderr);
            assert!(!crate::support::alive(pid), "{name}");
        }
        let live = there.env.start(["run", "far-slow", "x"]);
        live.wait_stdout("begun\n");
        let (model, grandchild) = (pid_in(&there.home("slow.pid")), pid_in(&there.home("grandchild.pid")));
        live.signal(Signal::KILL);
        live.finish();
        wait_gone(model);
        wait_gone(grandchild);
    }
}

#[test]
fn a_remote_model_that_ignores_term_is_killed_after_its_grace() {
    let Some(there) = There::new() else { return };
    let live = there.env.start(["run", "far-stubborn", "x"]);
    live.wait_stdout("begun\n");
    let model = pid_in(&there.home("stubborn.pid"));
    live.signal(Signal::TERM);
    let ran = live.finish().ended(143);
    assert!(ran.stderr.contains("; its process on `there` is gone\n"), "{}", ran.stderr);
    assert!(!crate::support::alive(model));
    let row = there.env.row();
    assert_eq!(row["signal"], "SIGKILL", "{row}");
}

#[test]
fn a_timeout_ends_the_remote_group_too() {
    let Some(there) = There::new() else { return };
    let ran = there.env.mer(["run", "far-slow", "x", "--timeout", "500ms"]).ended(124);
    assert!(ran.stderr.contains("`timeout` ran out after 500ms; its process on `there` is gone"), "{}", ran.stderr);
    wait_gone(pid_in(&there.home("grandchild.pid")));
    assert_eq!(there.env.row()["status"], "timeout");
}

#[test]
fn kill_minus_9_ends_the_remote_group() {
    let Some(there) = There::new() else { return };
    let live = there.env.start(["run", "far-slow", "x"]);
    live.wait_stdout("begun\n");
    let (model, grandchild) = (pid_in(&there.home("slow.pid")), pid_in(&there.home("grandchild.pid")));
    live.signal(Signal::KILL);
    live.finish();
    wait_gone(model);
    wait_gone(grandchild);
    assert_eq!(there.env.row()["status"], "lost");
}

#[test]
fn ctrl_c_in_a_script_ends_the_warm_process_that_does_not_answer() {
    let Some(there) = There::new() else { return };
    let mut live = there.env.start([]);
    live.say("run far-liner pid\n");
    let pid = live.wait_stdout("\n").trim().parse().expect("a pid");
    live.say("run far-liner late\n");
    // The request is cancelled whether it has been sent or not.
    live.signal(Signal::INT);
    let ran = live.finish().ended(130);
    assert!(!ran.stdout.contains("late"), "{}", ran.stdout);
    wait_gone(pid);
}

#[test]
fn the_end_of_a_script_ends_its_remote_warm_processes() {
    let Some(there) = There::new() else { return };
    let told = there.env.script(&["run far-liner pid", "run far-token x"]).ok();
    wait_gone(told.lines().next().expect("a line").parse().expect("a pid"));
    mer_testkit::processes::until("nothing is left over there", Duration::from_secs(20), || {
        !there.sshd.log().is_empty() && left(&there).is_empty()
    });
}

/// Returns the server's processes that are not part of `sshd`.
fn left(there: &There) -> Vec<u32> {
    mer_testkit::processes::with_nonce(there.sshd.nonce())
}

#[test]
fn a_silent_network_ends_the_run_as_unreachable_on_both_sides() {
    let Some(there) = There::new() else { return };
    let proxy = Proxy::to(there.sshd.addresses()[0]);
    there.env.file("home/.ssh/known_hosts", there.sshd.known_hosts_for(proxy.address()));
    there.apply(&format!(
        "[servers.there]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {}\nuser = '{}'\nidentityFile = '{}'\n\
         keepaliveInterval = '2s'\nkeepaliveCount = 1\norphanAfter = '3s'\n",
        proxy.address().port(),
        there.sshd.user(),
        there.sshd.client_key().display()
    ));
    let live = there.env.start(["run", "far-slow", "x"]);
    live.wait_stdout("begun\n");
    let grandchild = pid_in(&there.home("grandchild.pid"));
    proxy.hold();
    let ran = live.finish().ended(69);
    assert!(ran.stderr.contains("how the model ended is not known: the connection to `127.0.0.1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was heard for"), "{}", ran.stderr);
    let row = there.env.row();
    assert_eq!((&row["status"], &row["stdoutBytes"]), (&json!("unreachable"), &json!(6)), "{row}");
    // The server has not heard of the client either.
    wait_gone(grandchild);
}

#[test]
fn a_cancelled_run_that_cannot_be_verified_says_so() {
    let Some(there) = There::new() else { return };
    let live = there.env.start(["run", "far-slow", "x"]);
    live.wait_stdout("begun\n");
    there.sshd.freeze();
    live.signal(Signal::INT);
    let ran = live.finish().ended(130);
    there.sshd.thaw();
    let said = "cancelled by Ctrl-C; it could not be verified that its process on `there` is gone";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let error = there.env.row()["error"].as_str().expect("text").to_owned();
    assert!(error.starts_with("cancelled; it could not be verified that its process on `there` is gone"), "{error}");
    wait_gone(pid_in(&there.home("grandchild.pid")));
}

/// A `ProxyCommand` has its own process group, all of which ends with `mer`. After a kill -9 its pipes are closed.
#[test]
fn a_proxy_command_ends_with_mer() {
    let (Some(there), Some(jump)) = (There::new(), Sshd::start()) else { return };
    let jump_config = there.env.file("home/.ssh/jump", jump.ssh_config("jump"));
    let (left, own) = (there.env.path("work/left.pid"), there.env.path("work/own.pid"));
    let write = |before: &str| {
        let proxy = format!("{before}echo $$ > {}; exec ssh -F {}", own.display(), jump_config.display());
        let host = there.sshd.host();
        let config = format!("Host {host}\n  ProxyCommand sh -c '{proxy} -o BatchMode=yes -W [%h]:%p jump'\n");
        there.env.file("home/.ssh/config", config);
    };
    write(&format!("sleep 300 & echo $! > {}; ", left.display()));
    assert_eq!(there.env.mer(["run", "far-cat", "x"]).ok(), "x\n");
    assert!(jump.log().contains("Accepted publickey"), "it led through the other server");
    wait_gone(pid_in(&left));
    wait_gone(pid_in(&own));
    write("");
    let live = there.env.start(["run", "far-slow", "x"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::KILL);
    live.finish();
    wait_gone(pid_in(&own));
}
