//! A run on a server behaves as a run on this machine.

use std::{collections::BTreeMap, fs};

use mer_testkit::sshd::{Shell, Sshd};
use serde_json::{Value, json};

use super::There;
use crate::support::sha256;

#[test]
fn the_three_protocols_answer_and_are_on_record() {
    let Some(there) = There::new() else { return };
    let env = &there.env;
    assert_eq!(env.piped(["run", "far-cat", "-"], b"a\0b\xff".as_slice()).ended(0).bytes, b"a\0b\xff");
    assert_eq!(env.mer(["run", "far-liner", "x"]).ok(), "got x\n");
    assert_eq!(env.mer(["run", "far-token", "hello"]).ok(), "hello\n");
    let rows = env.rows();
    let protocols: Vec<_> = rows.iter().map(|row| row["protocol"].as_str().expect("text")).collect();
    assert_eq!(protocols, ["token", "lines", "oneshot"]);
    for row in &rows {
        assert_eq!(
            (&row["status"], &row["server"], &row["attempt"]),
            (&json!("succeeded"), &json!("there"), &json!(1))
        );
        for time in ["connectMs", "startMs", "runMs"] {
            assert!(row[time].as_f64() > Some(0.0), "{time}: {row}");
        }
        assert_eq!((&row["error"], &row["signal"]), (&Value::Null, &Value::Null));
    }
    let cat = &rows[2];
    assert_eq!((&cat["stdinBytes"], &cat["stdoutBytes"], &cat["exitCode"]), (&json!(4), &json!(4), &json!(0)));
    assert_eq!(cat["stdoutSha256"], sha256(b"a\0b\xff"));
}

#[test]
fn exit_code_255_is_the_models_and_a_warning_is_no_failure() {
    let Some(there) = There::new() else { return };
    let ran = there.env.mer(["run", "far-fail", "x"]).ended(1);
    assert_eq!(ran.stdout, "partial\n");
    assert!(
        ran.stderr.starts_with("a warning\nmer: `far-fail` on `there`: the model exited with code 255\n"),
        "{}",
        ran.stderr
    );
    let row = there.env.row();
    assert_eq!(
        (&row["status"], &row["exitCode"], &row["stderrTail"]),
        (&json!("failed"), &json!(255), &json!("a warning\n"))
    );
    there.env.mer(["run", "far-fail", "x", "--passthrough"]).ended(255);
    let told = there.env.mer(["run", "far-suicide"]).failed(1);
    assert!(told.starts_with("mer: `far-suicide` on `there`: the model died by SIGKILL\n"), "{told}");
    assert_eq!(there.env.rows()[0]["signal"], "SIGKILL");
}

#[test]
fn a_remote_model_has_the_servers_environment() {
    let Some(there) = There::new() else { return };
    let mut command = there.env.with(["run", "far-env"]);
    command.env("LOCAL_SECRET", "hunter2").env("SSH_AUTH_SOCK", "/nowhere").env("LC_ALL", "tlh");
    let told = crate::support::run(command).ended(0).stdout;
    let row = there.env.row();
    let told: BTreeMap<_, _> = told.lines().filter_map(|line| line.split_once('=')).collect();
    assert!(!told.contains_key("LOCAL_SECRET") && !told.contains_key("SSH_AUTH_SOCK"), "{told:?}");
    assert_ne!(told.get("LC_ALL"), Some(&"tlh"));
    assert_eq!(told["HOME"], there.sshd.home().to_str().expect("text"));
    assert_eq!((told["E2E_ONE"], told["PATH"]), ("it's $HOME & co", "/usr/bin:/bin"));
    assert_eq!((told["MER_MODEL"], told["MER_ATTEMPT"]), ("far-env", "1"));
    assert_eq!(told["MER_REQUEST_UID"], row["requestUid"].as_str().expect("text"));
    let ours: Vec<_> = told.keys().filter(|name| name.starts_with("MER_") && **name != "MER_TEST_SSHD").collect();
    assert_eq!(ours.len(), 3, "{ours:?}");
}

#[test]
fn folders_launchers_and_arguments_survive_quoting() {
    let Some(there) = There::new() else { return };
    let told = there.env.mer(["run", "far-where"]).failed(78);
    assert!(told.contains("the working directory `~/a model` cannot be used"), "{told}");
    fs::create_dir(there.home("a model")).expect("a folder");
    let folder = fs::canonicalize(there.home("a model")).expect("a path");
    assert_eq!(there.env.mer(["run", "far-where"]).ok(), format!("{}\n", folder.display()));
    assert_eq!(there.env.mer(["run", "far-words"]).ok(), "launched\n$HOME; *|two  words|it's|new\nline|&|");
}

#[test]
fn login_shells_fish_csh_and_one_that_prints_change_nothing() {
    let shells = [
        Sshd::builder().shell(Shell::Fish, "echo 'fish says hello'"),
        Sshd::builder().shell(Shell::Csh, "echo 'csh says hello'"),
        Sshd::builder().noisy(),
    ];
    for builder in shells {
        let Some(there) = There::with(builder) else { continue };
        let script = ["run far-cat hello", "run far-liner x", "run far-words", "run far-token y"];
        // The rc file's stderr cannot be told apart from the model's, and is shown like it.
        let told = there.env.script(&script).ended(0).stdout;
        assert_eq!(told, "hello\ngot x\nlaunched\n$HOME; *|two  words|it's|new\nline|&|y\n");
    }
}

#[test]
fn a_script_keeps_its_connection_and_its_warm_process() {
    let Some(there) = There::new() else { return };
    let told = there.env.script(&["run far-liner pid", "run far-cat x", "use far-liner", "pid", "/run far-cat y"]).ok();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), (lines[2], "x", "y"));
    let rows = there.env.rows();
    let pids: Vec<bool> = rows.iter().rev().map(|row| row["startMs"].as_f64() > Some(0.0)).collect();
    assert_eq!(pids, [true, true, false, true]);
    assert_eq!(there.sshd.log().matches("Accepted publickey").count(), 1, "one connection serves all of it");
    let warm = rows.iter().find(|row| row["model"] == "far-liner").expect("a row");
    assert_eq!(warm["connectMs"], 0.0, "no connection was waited for: {warm}");
}

#[test]
fn a_warm_process_goes_when_its_server_is_another_one() {
    let Some(there) = There::new() else { return };
    let Some(other) = Sshd::start() else { return };
    there.env.file("home/.ssh/known_hosts", there.sshd.known_hosts() + &other.known_hosts());
    there.env.file("work/other.toml", super::server("there", &other));
    let mut live = there.env.start(["--allow-changes", "--quiet"]);
    live.say("run far-liner pid\n");
    let first = live.wait_stdout("\n");
    live.say("apply other.toml\nrun far-liner pid\nrun far-cat moved\n");
    let told = live.wait_stdout("moved\n");
    let pids: Vec<&str> = told.lines().collect();
    assert_eq!(first.trim(), pids[0]);
    assert_ne!(pids[0], pids[1]);
    live.finish().ended(0);
    assert!(other.log().contains("Accepted publickey"));
}

#[test]
fn a_warm_process_that_died_is_started_again() {
    let Some(there) = There::new() else { return };
    let told = there.env.mer(["run", "far-liner", "die"]).failed(1);
    assert!(told.contains("the model exited with code 9 in the middle of the request"), "{told}");
    let mut live = there.env.start([]);
    live.say("run far-liner x\n");
    live.wait_stdout("got x\n");
    // Ends the process together with all connections of the server.
    there.sshd.end_connections();
    live.say("run far-liner y\n");
    live.wait_stdout("got y\n");
    live.finish().ended(0);
}

#[test]
fn two_hundred_megabytes_each_way_while_keys_are_renewed() {
    const BYTES: usize = 210_000_000;
    let Some(there) = There::with(Sshd::builder().rekey_limit("64M")) else { return };
    let line = b"after EAGAIN the same call is finished first\n";
    let input: Vec<u8> = line.iter().copied().cycle().take(BYTES).collect();
    let file = there.env.file("work/large", &input);
    // In a debug build hashing would take longer than all the rest.
    let ran = there.env.mer(["run", "far-cat", &format!("@{}", file.display()), "-o", "out", "--no-hash"]).ended(0);
    assert_eq!(ran.stderr, "");
    assert!(fs::read(there.env.path("work/out")).expect("a file") == input, "something was lost or mixed up");
    let row = there.env.row();
    assert_eq!((&row["stdinBytes"], &row["stdoutBytes"]), (&json!(BYTES), &json!(BYTES)));
}
