//! The `sshd` of testkit, with the `ssh` client.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use mer_testkit::processes;
use mer_testkit::sshd::{HostKey, KeyType, Shell, Sshd};

const BOUND: Duration = Duration::from_secs(20);

fn run(server: &Sshd, command: &str) -> Output {
    server.ssh().arg(command).stdin(Stdio::null()).output().expect("`ssh` cannot be run")
}

/// Waits for the end of a client, with a bound.
fn ends(client: &mut Child) -> Option<i32> {
    let ended = processes::poll(BOUND, || client.try_wait().expect("wait"));
    let _ = client.kill();
    ended.and_then(|status| status.code())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_command_runs_and_its_exit_code_comes_back() {
    let Some(server) = Sshd::start() else { return };
    let output = run(&server, "echo out; echo err >&2; exit 7");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn it_listens_on_both_loopbacks() {
    let Some(server) = Sshd::start() else { return };
    for address in server.addresses() {
        let mut ssh = server.ssh();
        let output = ssh.args(["-o", &format!("HostName={}", address.ip()), "echo here"]).output().expect("ssh");
        assert_eq!(text(&output.stdout), "here\n", "{address}: {}", text(&output.stderr));
    }
}

#[test]
fn no_variable_of_the_client_is_accepted() {
    let Some(server) = Sshd::start() else { return };
    let mut ssh = server.ssh();
    ssh.args(["-o", "SendEnv=LC_MER", "echo \"[$LC_MER]\""]).env("LC_MER", "sent");
    assert_eq!(text(&ssh.output().expect("ssh").stdout), "[]\n");
}

#[test]
fn every_type_of_key_works_for_host_and_client() {
    for kind in [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa] {
        let Some(server) = Sshd::builder().host_keys(&[kind]).client_key(kind).start() else { return };
        let output = run(&server, "true");
        assert!(output.status.success(), "{kind:?}: {}", text(&output.stderr));
    }
}

#[test]
fn fingerprints_are_those_that_the_client_sees() {
    let kinds = [KeyType::Rsa, KeyType::Ecdsa, KeyType::Ed25519];
    let Some(server) = Sshd::builder().host_keys(&kinds).start() else { return };
    assert_eq!(server.host_keys().iter().map(|key| key.kind).collect::<Vec<_>>(), kinds);
    for (key, algorithm) in server.host_keys().iter().zip(["rsa-sha2-512", "ecdsa-sha2-nistp256", "ssh-ed25519"]) {
        let mut ssh = server.ssh();
        ssh.args(["-v", "-o", &format!("HostKeyAlgorithms={algorithm}"), "true"]);
        let output = ssh.output().expect("ssh");
        assert!(output.status.success() && text(&output.stderr).contains(&key.fingerprint), "{}", text(&output.stderr));
    }
}

#[test]
fn hashed_names_are_known_and_a_wrong_key_is_not() {
    let Some(server) = Sshd::start() else { return };
    let file = server.folder().join("other_known_hosts");
    let with_file = || {
        let mut ssh = server.ssh();
        // An option of the command line wins, since it comes before the file.
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", file.display())).arg("true").output().expect("ssh")
    };
    let hashed = server.known_hosts_hashed();
    assert!(hashed.lines().all(|line| line.starts_with("|1|")) && !hashed.contains("127.0.0.1"), "{hashed}");
    std::fs::write(&file, &hashed).expect("write");
    let output = with_file();
    assert!(output.status.success(), "{}", text(&output.stderr));

    let other = tempfile::tempdir().expect("tempdir");
    let wrong = HostKey::generate(KeyType::Ed25519, other.path());
    std::fs::write(&file, server.known_hosts().replace(&server.host_keys()[0].public, &wrong.public)).expect("write");
    let output = with_file();
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("HOST IDENTIFICATION HAS CHANGED"), "{}", text(&output.stderr));
}

#[test]
fn channels_beyond_max_sessions_are_refused() {
    let Some(server) = Sshd::builder().max_sessions(1).start() else { return };
    let socket = server.folder().join("control");
    let control = format!("ControlPath={}", socket.display());
    let mut master = server.ssh();
    master.args(["-o", "ControlMaster=yes", "-o", &control, "sleep 600"]);
    let mut master = master.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("ssh");
    processes::until("a control socket", BOUND, || socket.exists());
    processes::assert_started(server.nonce(), BOUND);
    let mut second = server.ssh();
    let output = second.args(["-v", "-o", "ControlMaster=no", "-o", &control, "true"]).output().expect("ssh");
    // The client falls back to a new connection, and prints the reason.
    assert!(text(&output.stderr).contains("Session open refused by peer"), "{}", text(&output.stderr));
    master.kill().expect("kill");
    master.wait().expect("wait");
}

#[test]
fn other_login_shells_see_the_command() {
    // A variable or syntax of each shell, which proves that it is that shell.
    for (shell, command) in [
        (Shell::Fish, "set -l x (echo in); echo $x fish"),
        (Shell::Csh, "set x = `echo in`; echo $x csh"),
        (Shell::Sh, "x=in; echo $x sh"),
    ] {
        let Some(server) = Sshd::builder().shell(shell, "").start() else { continue };
        let output = run(&server, command);
        assert_eq!(text(&output.stdout), format!("in {}\n", shell.name()), "{}", text(&output.stderr));
        assert_eq!(run(&server, "exec sh -c 'exit 9'").status.code(), Some(9), "{shell:?}");
    }
}

#[test]
fn rc_files_are_run_and_leave_no_trace_in_the_environment() {
    for shell in [Shell::Sh, Shell::Bash, Shell::Fish, Shell::Csh] {
        let Some(server) = Sshd::builder().shell(shell, "echo noise").start() else { continue };
        let output = run(&server, "exec sh -c 'echo \"$HOME $BASH_ENV $MER_TEST_HOME\"'");
        assert_eq!(
            text(&output.stdout),
            format!("noise\n{}  \n", server.home().display()),
            "{shell:?} {}",
            text(&output.stderr)
        );
    }
    let Some(server) = Sshd::builder().noisy().start() else { return };
    let output = run(&server, "echo the-command");
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("Welcome") && stdout.ends_with("0%the-command\n"), "{stdout}");
    assert_eq!(text(&output.stderr), "rc: warning\n");
}

#[test]
fn methods_are_offered_as_asked() {
    let Some(server) = Sshd::builder().offer_password().no_public_key().start() else { return };
    assert!(text(&run(&server, "true").stderr).contains("Permission denied (password)"));
    let Some(server) = Sshd::builder().passphrase("secret").start() else { return };
    // In batch mode the client cannot ask for the passphrase.
    assert!(text(&run(&server, "true").stderr).contains("Permission denied (publickey)"));
}

#[test]
fn keys_are_renewed() {
    let Some(server) = Sshd::builder().rekey_limit("1M").start() else { return };
    let mut ssh = server.ssh();
    let output = ssh.args(["-v", "head -c 5000000 /dev/zero"]).output().expect("ssh");
    assert_eq!(output.stdout.len(), 5_000_000);
    let renewed = text(&output.stderr).matches("SSH2_MSG_NEWKEYS received").count();
    assert!(renewed > 2, "{renewed} times");
}

#[test]
fn one_server_is_the_way_to_another() {
    let (Some(jump), Some(target)) = (Sshd::start(), Sshd::start()) else { return };
    let config = target.folder().join("jump_config");
    let text_of_config = format!("{}{}  ProxyJump first\n", jump.ssh_config("first"), target.ssh_config("second"));
    std::fs::write(&config, text_of_config).expect("write");
    let output = std::process::Command::new("ssh")
        .arg("-F")
        .arg(&config)
        .args(["-o", "BatchMode=yes", "second", "echo $MER_TEST_SSHD"])
        .output()
        .expect("ssh");
    assert_eq!(text(&output.stdout).trim(), target.nonce(), "{}", text(&output.stderr));
    jump.wait_for_log("Accepted publickey", BOUND);
}

#[test]
fn connections_end_alone_and_everything_ends_on_drop() {
    let Some(server) = Sshd::start() else { return };
    let start = |seconds: &str| {
        let mut ssh = server.ssh();
        // One process that has left its session, and one in it.
        ssh.arg(format!("setsid sleep {seconds} >/dev/null 2>&1 & sleep {seconds}"));
        ssh.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("ssh")
    };
    let two = || {
        processes::with_nonce(server.nonce())
            .iter()
            .filter(|pid| processes::describe(**pid).contains("sleep 6"))
            .count()
            >= 2
    };
    let mut first = start("601");
    processes::until("two sleeps", BOUND, two);
    server.end_connections();
    assert_eq!(ends(&mut first), Some(255));
    processes::assert_gone(server.nonce(), BOUND);
    assert!(run(&server, "true").status.success(), "it no longer listens");

    let mut second = start("602");
    processes::until("two sleeps again", BOUND, two);
    let (nonce, pid, folder) = (server.nonce().to_owned(), server.pid(), server.folder().to_owned());
    drop(server);
    assert_eq!(ends(&mut second), Some(255));
    processes::assert_gone(&nonce, Duration::ZERO);
    assert!(!processes::alive(pid) && !folder.exists());
}

#[test]
fn a_server_that_was_stopped_starts_again_as_it_was() {
    let Some(mut server) = Sshd::start() else { return };
    server.stop();
    assert_eq!(run(&server, "true").status.code(), Some(255));
    server.start_again();
    let output = run(&server, "echo $MER_TEST_SSHD");
    assert_eq!(text(&output.stdout).trim(), server.nonce(), "{}", text(&output.stderr));
}

#[test]
fn a_frozen_server_goes_on_when_it_thaws() {
    let Some(server) = Sshd::start() else { return };
    let mut ssh = server.ssh();
    let mut ssh = ssh.arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh");
    processes::assert_started(server.nonce(), BOUND);
    server.freeze();
    drop(ssh.stdin.take());
    assert!(processes::poll(Duration::from_millis(300), || ssh.try_wait().expect("wait")).is_none());
    server.thaw();
    assert!(processes::poll(BOUND, || ssh.try_wait().expect("wait")).is_some_and(|status| status.success()));
}
