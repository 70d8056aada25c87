//! The exit status of a remote process: only what was received counts.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::Duration,
};

use mer_core::Exit;
use mer_meal::{Cancel, EndCause, Executor, Input};
use mer_testkit::{
    dropbear::Dropbear,
    faulty_ssh::FaultySsh,
    processes, require,
    sshd::{Shell, Sshd},
};

use crate::{
    common::{bounds, collect},
    support::{BOUND, at_dropbear, command, config, faulty, is_ended_by, run, text},
};

/// Commands run as another user than the one that is logged in, as with a bastion's forced command.
fn as_nobody() -> Option<Sshd> {
    let (Some(runuser), true) = (require::program("runuser", &[]), rustix::process::getuid().is_root()) else {
        require::unavailable("runuser", "only root can run a command as another user");
        return None;
    };
    let forced = format!("{} -u nobody -- sh -c \"$SSH_ORIGINAL_COMMAND\"", runuser.display());
    Sshd::builder().option("ForceCommand", forced).start()
}

#[tokio::test]
async fn a_process_that_may_not_be_signalled_is_not_gone() {
    let Some(sshd) = as_nobody() else { return };
    let executor = Executor::ssh(config(&sshd));
    let spec = command(&["sh", "-c", "echo begin; sleep 3; echo end; exit 5"]);
    let (ended, out) = run(&executor, &spec, b"").await;
    assert_eq!(String::from_utf8_lossy(&out), "begin\nend\n");
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(5))));
}

#[tokio::test]
async fn what_a_forced_command_starts_is_ended_with_its_group() {
    let Some(sshd) = as_nobody() else { return };
    let executor = Executor::ssh(config(&sshd));
    let spec = command(&["sh", "-c", "sleep 600 & echo $$ $!; wait"]);
    let mut started = executor.start(&spec).await.expect("starts");
    let said = started.stdout.next().await.expect("read").expect("two pids");
    let pids: Vec<u32> =
        String::from_utf8_lossy(&said).split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
    let cancel = Cancel::new();
    cancel.cancel();
    let (ended, _) = collect(started, Input::Bytes(Vec::new().into()), &spec.bounds, &cancel).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(15))));
    assert!(!pids.iter().any(|pid| processes::alive(*pid)), "{pids:?}");
}

/// A program that becomes root for good when another user starts it.
fn becomes_root(sshd: &Sshd) -> Option<PathBuf> {
    let Some(setpriv) = require::program("setpriv", &[]) else {
        require::unavailable("setpriv", "it is not on the PATH");
        return None;
    };
    let folder = sshd.folder().join("setuid");
    fs::create_dir(&folder).expect("a folder");
    for folder in [sshd.folder(), &folder] {
        fs::set_permissions(folder, Permissions::from_mode(0o711)).expect("mode");
    }
    let copy = folder.join("becomes-root");
    fs::copy(setpriv, &copy).expect("a copy");
    fs::set_permissions(&copy, Permissions::from_mode(0o4755)).expect("mode");
    Some(copy)
}

#[tokio::test]
async fn a_setuid_program_is_watched_and_said_not_to_be_gone_where_it_is_not() {
    let Some(sshd) = as_nobody() else { return };
    let Some(program) = becomes_root(&sshd) else { return };
    let executor = Executor::ssh(config(&sshd));
    let become_root = |script: &str| command(&[&text(&program), "--reuid", "0", "sh", "-c", script]);
    let (ended, out) = run(&executor, &become_root("id -u; sleep 3; exit 4"), b"").await;
    if out.as_slice() != b"0\n" {
        return require::unavailable("setuid", "the temporary folder does not allow it");
    }
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(4))));
    let mut spec = become_root("echo $$; exec sleep 60");
    spec.bounds = bounds(1500);
    let mut started = executor.start(&spec).await.expect("starts");
    let pid = String::from_utf8_lossy(&started.stdout.next().await.expect("read").expect("a pid")).trim().parse();
    let pid: u32 = pid.expect("a pid");
    let (ended, _) = collect(started, Input::Bytes(Vec::new().into()), &spec.bounds, &Cancel::new()).await;
    assert!(matches!(ended.cause, EndCause::Timeout { .. }), "{:?}", ended.cause);
    assert!(processes::alive(pid), "only root could have ended it");
    assert!(!matches!(ended.exit, Some(Exit::Code(_) | Exit::Signal(_))), "{:?}", ended.exit);
    assert!(ended.lost.is_some_and(|why| why.contains("another user")));
    processes::kill(pid);
}

/// sshd names twelve signals, and calls all others `SIG@openssh.com`.
#[tokio::test]
async fn every_signal_has_its_name() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    for signal in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31] {
        let spec = command(&["sh", "-c", &format!("ulimit -c 0; kill -{signal} $$; sleep 5")]);
        let (ended, _) = run(&executor, &spec, b"").await;
        assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Signal(signal))));
        assert_eq!(String::from_utf8_lossy(&ended.stderr_tail), "", "the shell keeps its words to itself");
    }
    for code in [0, 1, 127, 128, 200, 255] {
        let (ended, _) = run(&executor, &command(&["sh", "-c", &format!("exit {code}")]), b"").await;
        assert_eq!(ended.exit, Some(Exit::Code(code)));
    }
}

/// The program itself is run, and no builtin of the shell with the same name; it does not see the shell's variables.
#[tokio::test]
async fn the_shell_beside_it_does_not_show() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let (ended, out) = run(&executor, &command(&["kill", "--version"]), b"").await;
    assert!(ended.exit == Some(Exit::Code(0)) && !out.is_empty(), "the shell's own knows no version: {ended:?}");
    let spec = command(&["sh", "-c", "ls /proc/self/fd; env; trap; echo oops >&2; printf '\\036 %s' mer >&2"]);
    let (ended, out) = run(&executor, &spec, b"").await;
    assert_eq!(
        (ended.exit, String::from_utf8_lossy(&ended.stderr_tail).as_ref()),
        (Some(Exit::Code(0)), "oops\n\u{1e} mer")
    );
    let out = String::from_utf8_lossy(&out);
    assert!(out.starts_with("0\n1\n2\n3\n") && !out.starts_with("0\n1\n2\n3\n4\n") && !out.contains("mer_"), "{out}");
}

/// One login for the watchdog and one for the run, neither of which counts against the bound of the run.
#[tokio::test]
async fn a_slow_rc_file_is_run_twice_and_counts_for_no_run() {
    let rc = "echo x >> \"$HOME/logins\"; sleep 5";
    let Some(sshd) = Sshd::builder().shell(Shell::Bash, rc).start() else { return };
    let executor = Executor::ssh(config(&sshd));
    let mut spec = command(&["true"]);
    spec.bounds = bounds(4000);
    let (ended, _) = run(&executor, &spec, b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    assert!(ended.run < Duration::from_secs(4), "{:?}", ended.run);
    assert_eq!(fs::read_to_string(sshd.home().join("logins")).expect("logins"), "x\nx\n");
    let (ended, _) = run(&executor, &spec, b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
    assert_eq!(fs::read_to_string(sshd.home().join("logins")).expect("logins"), "x\nx\nx\n");
}

/// The marker proves a success if the server reports nothing; without either there is none.
#[tokio::test]
async fn a_server_that_tells_nothing() {
    let Some(server) = FaultySsh::builder().no_exit_status().start() else { return };
    let executor = Executor::ssh(faulty(&server));
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 6", Exit::Code(6)),
        ("kill -BUS $$", Exit::Signal(7)),
        // The shell beside it, too.
        ("kill -KILL $PPID", Exit::Lost),
    ] {
        let (ended, _) = run(&executor, &command(&["sh", "-c", script]), b"").await;
        assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(exit)), "{script}");
        assert_eq!(ended.lost.is_some(), exit == Exit::Lost, "{script}");
    }
}

/// An unknown signal from the server is neither `signal 0` nor a success.
#[tokio::test]
async fn a_signal_without_a_name_is_not_signal_0() {
    let Some(server) = FaultySsh::builder().exit_signal("SIG@example.com").start() else { return };
    let (ended, _) = run(&Executor::ssh(faulty(&server)), &command(&["true"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Lost));
    assert!(ended.lost.is_some_and(|why| why.contains("`SIG@example.com`")));
}

/// Dropbear runs commands in its own process group, and reports an exit only when the channel is closed.
#[tokio::test]
async fn dropbear_runs_models_and_survives_their_end() {
    let Some(mut server) = Dropbear::start() else { return };
    let executor = Executor::ssh(at_dropbear(&server));
    let mut other = Executor::ssh(at_dropbear(&server)).start(&command(&["cat"])).await.expect("starts");
    for (script, exit) in [
        ("cat; sleep 3; exit 0", Exit::Code(0)),
        ("cat; exit 5", Exit::Code(5)),
        ("cat; kill -XCPU $$", Exit::Signal(24)),
        ("cat; sleep 60 & exit 3", Exit::Code(3)),
    ] {
        let (ended, out) = run(&executor, &command(&["sh", "-c", script]), b"hello").await;
        assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(exit)), "{script}");
        assert_eq!(out, b"hello", "{script}");
    }
    for (args, signal) in [(&["say-and-sleep"][..], 15), (&["ignore-term"], 9)] {
        is_ended_by(signal, &executor, args).await;
    }
    assert!(server.is_alive(), "what ends a model does not end its server");
    assert_eq!(other.stdin.write(b"x").await.expect("written"), 1);
    assert_eq!(other.stdout.next().await.expect("read").as_deref(), Some(&b"x"[..]));
    drop((other, executor));
    processes::until("nothing is left over there", BOUND, || {
        let left = processes::with_nonce(server.nonce());
        !left.iter().any(|pid| processes::alive(*pid) && !processes::describe(*pid).contains("dropbear"))
    });
}

/// Each login is in a PID namespace of its own: the watchdog could end nothing in another one, and would take it for
/// gone.
#[tokio::test]
async fn logins_that_cannot_see_each_other_are_refused_before_anything_begins() {
    for more in ["f --mount-proc", "f", ""] {
        let rc = format!("exec unshare -rp{more} sh -c \"$command\"");
        let Some(sshd) = Sshd::builder().shell(Shell::Sh, &rc).start() else { return };
        let possible = std::process::Command::new("unshare").args(["-rpf", "--mount-proc", "true"]).status();
        if !possible.is_ok_and(|status| status.success()) {
            return require::unavailable("unshare", "no PID namespace can be made here");
        }
        let executor = Executor::ssh(config(&sshd));
        let error = executor.start(&command(&["touch", &text(&sshd.home().join("begun"))])).await;
        let error = error.expect_err("nothing could be ended there").to_string();
        assert!(error.contains("PID namespace"), "{more}: {error}");
        assert!(!sshd.home().join("begun").exists(), "{more}");
    }
}
