//! Each fault of the faulty server, with the `ssh` client.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use mer_testkit::faulty_ssh::FaultySsh;
use mer_testkit::network::Direction;
use mer_testkit::processes;

const BOUND: Duration = Duration::from_secs(20);

fn ssh(server: &FaultySsh) -> Command {
    let known = server.folder().join("known_hosts");
    fs::write(&known, server.known_hosts()).expect("write");
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "GlobalKnownHostsFile=none"]);
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
    ssh.arg("-i").arg(server.client_key()).args(["-p", &server.port().to_string()]);
    ssh.arg(format!("{}@{}", server.user(), server.host())).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    ssh
}

fn run(server: &FaultySsh, command: &str) -> Output {
    ssh(server).args(["-o", "BatchMode=yes", command]).output().expect("ssh")
}

/// Logs in with a secret that the client reads from a program.
fn with_secret(server: &FaultySsh, secret: &str) -> Output {
    let asked = server.folder().join("askpass");
    fs::write(&asked, format!("#!/bin/sh\necho '{secret}'\n")).expect("write");
    fs::set_permissions(&asked, fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut ssh = ssh(server);
    ssh.args(["-o", "NumberOfPasswordPrompts=1", "echo in"])
        .env("SSH_ASKPASS", asked)
        .env("SSH_ASKPASS_REQUIRE", "force");
    ssh.output().expect("ssh")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the bytes sent and received, as `ssh -v` counts them.
fn counts(output: &Output) -> Vec<usize> {
    let stderr = text(&output.stderr);
    let (_, counts) = stderr.split_once("Transferred: sent ").expect("no counts");
    counts.split([' ', ',']).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn without_a_fault_it_is_a_server() {
    let Some(server) = FaultySsh::builder().start() else { return };
    let output = run(&server, "echo out; echo err >&2; echo $HOME; exit 7");
    let home = server.folder().join("home");
    assert_eq!(text(&output.stdout), format!("out\n{}\n", home.display()), "{}", text(&output.stderr));
    assert_eq!((text(&output.stderr), output.status.code()), ("err\n".to_owned(), Some(7)));
    assert_eq!((server.connections(), server.methods(), server.commands().len()), (1, vec!["none", "publickey"], 1));
}

#[test]
fn much_goes_through_both_ways() {
    let Some(server) = FaultySsh::builder().start() else { return };
    let mut ssh = ssh(&server).arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh");
    let mut stdin = ssh.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || stdin.write_all(&[42; 10_000_000]).expect("write"));
    let mut all = Vec::new();
    ssh.stdout.take().expect("stdout").read_to_end(&mut all).expect("read");
    writer.join().expect("join");
    assert!(all.len() == 10_000_000 && all.iter().all(|byte| *byte == 42) && ssh.wait().expect("wait").success());
}

#[test]
fn another_host_key_is_noticed() {
    let Some(server) = FaultySsh::builder().wrong_host_key().start() else { return };
    let output = run(&server, "true");
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("IDENTIFICATION HAS CHANGED") && stderr.contains(&server.host_key().fingerprint),
        "{stderr}"
    );
    assert_ne!(server.host_key().fingerprint, server.claimed_host_key().fingerprint);
    assert_eq!((output.status.code(), server.commands().len()), (Some(255), 0));
}

#[test]
fn secrets_are_taken_and_wrong_ones_are_not() {
    let password = FaultySsh::builder().password("se cret").no_keys();
    let keyboard = FaultySsh::builder().keyboard_interactive("se cret").no_keys();
    for (builder, method) in [(password, "password"), (keyboard, "keyboard-interactive")] {
        let Some(server) = builder.start() else { return };
        let output = with_secret(&server, "se cret");
        assert_eq!(text(&output.stdout), "in\n", "{method}: {}", text(&output.stderr));
        assert_eq!(server.methods(), ["none", method]);
        let output = with_secret(&server, "wrong");
        assert_eq!(output.status.code(), Some(255));
        assert!(text(&output.stderr).contains(&format!("Permission denied ({method})")), "{}", text(&output.stderr));
    }
}

#[test]
fn authentication_can_hang() {
    let Some(server) = FaultySsh::builder().authentication_hangs().start() else { return };
    let mut ssh = ssh(&server).arg("true").spawn().expect("ssh");
    processes::until("a first method", BOUND, || !server.methods().is_empty());
    assert!(processes::poll(Duration::from_millis(300), || ssh.try_wait().expect("wait")).is_none());
    // The client notices because the server ends.
    drop(server);
    assert_eq!(processes::poll(BOUND, || ssh.try_wait().expect("wait")).and_then(|status| status.code()), Some(255));
}

#[test]
fn the_connection_is_cut_in_each_direction_and_the_next_one_is_not() {
    for (direction, command) in [(Direction::ToClient, "head -c 1000000 /dev/zero"), (Direction::ToServer, "wc -c")] {
        let Some(server) = FaultySsh::builder().cut_after(direction, 300_000).start() else { return };
        let transfer = || {
            let zeros = fs::File::open("/dev/zero").expect("open").take(1_000_000);
            let mut ssh = ssh(&server).arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh");
            let mut stdin = ssh.stdin.take().expect("stdin");
            let writer = std::thread::spawn(move || std::io::copy(&mut { zeros }, &mut stdin));
            let output = ssh.wait_with_output().expect("wait");
            let _ = writer.join();
            output
        };
        let output = transfer();
        assert_eq!(output.status.code(), Some(255), "{direction:?}");
        assert!(output.stdout.len() < 300_000 && server.commands().len() == 1, "{direction:?}");
        assert!(transfer().status.success(), "{direction:?}");
    }
}

#[test]
fn the_window_stops() {
    let Some(server) = FaultySsh::builder().window_stops(64 * 1024).start() else { return };
    let counted = server.folder().join("counted");
    let command = format!("cat > '{}'", counted.display());
    let mut ssh = ssh(&server).arg(command).stdin(Stdio::piped()).spawn().expect("ssh");
    let mut stdin = ssh.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || stdin.write_all(&[0; 8_000_000]));
    let size = || fs::metadata(&counted).map_or(0, |meta| meta.len());
    processes::until("a window's worth", BOUND, || size() >= 64 * 1024);
    assert!(processes::poll(Duration::from_millis(500), || (size() > 128 * 1024).then_some(())).is_none());
    assert!(ssh.try_wait().expect("wait").is_none());
    ssh.kill().expect("kill");
    ssh.wait().expect("wait");
    assert!(writer.join().expect("join").is_err());
}

#[test]
fn ends_are_reported_truly_or_not_at_all() {
    let Some(server) = FaultySsh::builder().start() else { return };
    let mut verbose = ssh(&server);
    let output = verbose.args(["-v", "kill -SEGV $$"]).output().expect("ssh");
    assert!(text(&output.stderr).contains("exit-signal"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(255));

    let Some(server) = FaultySsh::builder().exit_signal("TERM").start() else { return };
    let output = ssh(&server).args(["-v", "echo out"]).output().expect("ssh");
    let stderr = text(&output.stderr);
    assert!(stderr.contains("rtype exit-signal") && !stderr.contains("rtype exit-status"), "{stderr}");
    assert_eq!(text(&output.stdout), "out\n");

    let Some(server) = FaultySsh::builder().no_exit_status().start() else { return };
    let output = ssh(&server).args(["-v", "echo out"]).output().expect("ssh");
    assert!(!text(&output.stderr).contains("rtype exit-"), "{}", text(&output.stderr));
    // The message of OpenSSH's client.
    assert_eq!((text(&output.stdout), output.status.code()), ("out\n".to_owned(), Some(255)));
}

#[test]
fn data_comes_after_eof() {
    let Some(server) = FaultySsh::builder().data_after_eof(&[b'!'; 20_000]).start() else { return };
    let output = ssh(&server).args(["-v", "echo out"]).output().expect("ssh");
    // The client discards it silently, but counts it.
    assert!(counts(&output)[1] > 20_000, "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "out\n");
    assert!(output.status.success());
}

#[test]
fn packets_have_one_byte() {
    let Some(server) = FaultySsh::builder().one_byte_packets().start() else { return };
    let mut ssh = ssh(&server)
        .args(["-vv", "cat; echo err >&2; exit 3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ssh");
    ssh.stdin.take().expect("stdin").write_all(&[b'x'; 2000]).expect("write");
    let output = ssh.wait_with_output().expect("wait");
    assert_eq!(output.stdout, [b'x'; 2000]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(&output.stderr);
    assert!(stderr.lines().any(|line| line.ends_with("rmax 1")), "{stderr}");
    // A packet has 20 bytes at least.
    let counts = counts(&output);
    assert!(counts[0] > 2000 * 20 && counts[1] > 2000 * 20, "{stderr}");
}

#[test]
fn channels_after_the_first_are_refused() {
    let Some(server) = FaultySsh::builder().channels(1).start() else { return };
    let socket = server.folder().join("control");
    let control = format!("ControlPath={}", socket.display());
    let mut master = ssh(&server);
    master.args(["-o", "ControlMaster=yes", "-o", &control, "sleep 600"]);
    let mut master = master.stdout(Stdio::null()).spawn().expect("ssh");
    processes::assert_started(server.nonce(), BOUND);
    processes::until("a control socket", BOUND, || socket.exists());
    let output = ssh(&server).args(["-o", "ControlMaster=no", "-o", &control, "true"]).output().expect("ssh");
    assert!(text(&output.stderr).contains("Session open refused by peer"), "{}", text(&output.stderr));
    // The client fell back to a new connection.
    assert_eq!((server.refused_channels(), server.connections()), (1, 2));
    let nonce = server.nonce().to_owned();
    drop(server);
    processes::assert_gone(&nonce, Duration::ZERO);
    assert!(processes::poll(BOUND, || master.try_wait().expect("wait")).is_some());
}
