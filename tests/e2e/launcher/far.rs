//! The launcher is called on a server that is reached by SSH.

use mer_testkit::{processes, sshd::Sshd};
use rustix::process::Signal;
use serde_json::json;

use super::{Home, begun};
use crate::{
    ssh::server,
    support::{alive, wait_gone},
};

/// Returns a home whose server `pod` is behind an `sshd`; none where that is not installed.
fn far(keys: &str) -> Option<(Home, Sshd)> {
    let sshd = Sshd::start()?;
    let home = Home::new();
    home.env.file("home/.ssh/known_hosts", sshd.known_hosts());
    let launcher = home.server(&home.pod(), "'-i', ", keys);
    let launcher = launcher.strip_prefix("[servers.pod]\n").expect("a table");
    home.apply(&(server("pod", &sshd).trim_end().to_owned() + "\n" + launcher));
    Some((home, sshd))
}

#[test]
fn a_run_is_that_of_the_process_behind_both() {
    let Some((home, _sshd)) = far("") else { return };
    let ran = home.env.mer(["run", "says", "some input"]).ended(1);
    let pod = home.pod();
    assert_eq!(ran.stdout, format!("it's one {0} {0} none says\nsome input\n", pod.display()));
    assert!(ran.stderr.starts_with("oops\nmer: `says` on `pod`: the model exited with code 3\n"), "{}", ran.stderr);
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    assert!(home.env.piped(["run", "cat", "-"], &bytes).ended(0).bytes == bytes, "the bytes differ");
    let told = home.env.mer(["run", "missing", "x"]).failed(78);
    assert!(told.contains("`no-such-program` does not exist"), "{told}");
}

#[test]
fn a_launcher_or_a_connection_that_is_cut_is_no_success_and_leaves_no_process() {
    let Some((home, sshd)) = far("") else { return };
    for cut in ["process", "watchdog", "both", "connection"] {
        let (live, model) = begun(&home, "waits");
        let (process, watchdog) = home.pair(model);
        for (name, launcher) in [("process", process), ("watchdog", watchdog)] {
            if [name, "both"].contains(&cut) {
                processes::signal(launcher, Signal::USR1);
            }
        }
        if cut == "connection" {
            sshd.cut_connections();
        }
        live.finish().ended(69);
        assert_eq!(home.env.rows()[0]["status"], json!("unreachable"), "{cut}");
        for pid in [model, process, watchdog] {
            wait_gone(pid);
        }
    }
}

#[test]
fn signals_and_bounds_reach_the_process_behind_both() {
    let Some((home, _sshd)) = far("") else { return };
    let (live, model) = begun(&home, "polite");
    live.signal(Signal::TERM);
    assert_eq!(live.finish().ended(143).stdout, "up\nbye\n");
    assert!(!alive(model));
    assert_eq!(home.env.rows()[0]["status"], json!("cancelled"));
    home.env.mer(["run", "waits", "x", "--timeout", "2s"]).ended(124);
    assert!(!alive(home.model()), "after a timeout");
}

#[test]
fn a_killed_mer_ends_the_process_behind_both() {
    let Some((home, _sshd)) = far("orphanAfter = '2s'") else { return };
    for name in ["waits", "polite"] {
        let (live, model) = begun(&home, name);
        let (process, watchdog) = home.pair(model);
        live.signal(Signal::KILL);
        for pid in [model, process, watchdog] {
            wait_gone(pid);
        }
    }
}
