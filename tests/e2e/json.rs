//! The JSON of a run and of the log, which programs rely on.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::support::{TestEnv, sha256};

/// Fields of an access in the contract's order.
const FIELDS: &str = "requestUid attempt model server kind protocol weightsVersion weightsSha256 caller callerPid \
                      callerClaims startAccess stopAccess status exitCode signal queueMs connectMs startMs runMs stdinBytes \
                      stdoutBytes stderrBytes stdinSha256 stdoutSha256 stderrTail error batchUid items \
                      failedItems jobId via tags";

/// Returns the names of an object's fields.
pub(crate) fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn fields_and<'a>(more: &'a [&'a str]) -> BTreeSet<&'a str> {
    FIELDS.split_whitespace().chain(more.iter().copied()).collect()
}

#[test]
fn a_run_has_exactly_the_fields_of_the_contract_and_its_row_is_the_same() {
    let env = TestEnv::ready();
    let mut command = env.with(["run", "cat", "hello", "--json"]);
    command.env("USER", "ada\u{202e}").env("SUDO_USER", "bob").env("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22");
    let mut ran = crate::support::run(command).object();
    assert_eq!(keys(&ran), fields_and(&["output"]));
    assert_eq!(ran["output"], "hello\n");
    assert_eq!((&ran["model"], &ran["server"]), (&json!("cat"), &json!("local")));
    assert_eq!((&ran["kind"], &ran["protocol"], &ran["attempt"]), (&json!("infer"), &json!("oneshot"), &json!(1)));
    let caller = ran["caller"].as_str().expect("caller").to_owned();
    let (user, _) = caller.split_once('@').expect("user@host");
    assert_eq!(user, real_user(), "whatever the environment says");
    let claims = json!({ "USER": "ada\u{202e}", "SUDO_USER": "bob", "SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22" });
    assert_eq!(ran["callerClaims"], claims, "{ran}");
    for (key, value) in [("stdinBytes", 6), ("stdoutBytes", 6), ("stderrBytes", 0), ("exitCode", 0)] {
        assert_eq!(ran[key], value, "{key}");
    }
    ran.as_object_mut().expect("an object").remove("output");
    let row = env.row();
    assert_eq!(keys(&row), fields_and(&[]));
    assert_eq!(row, ran, "what was printed is what is on record");
    let shown = env.mer(["log", "show"]).ok();
    let claims = r"claims      SSH_CONNECTION=192.0.2.1 5 192.0.2.2 22, SUDO_USER=bob, USER=ada\u{202e}";
    assert!(shown.contains(claims) && shown.contains(&format!("{caller}, process ")), "{shown}");
}

/// Returns the name of the user that runs the tests, or `uid` and its number where it has no name.
fn real_user() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().next());
    let uid = uid.expect("a number").to_owned();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    users
        .find(|fields| fields.get(2) == Some(&uid.as_str()))
        .map_or_else(|| format!("uid{uid}"), |fields| fields[0].to_owned())
}

#[test]
fn without_claims_there_are_none() {
    let env = TestEnv::ready();
    let mut command = env.with(["run", "cat", "x", "--json"]);
    command.env("USER", real_user()).env("SUDO_USER", "");
    assert_eq!(crate::support::run(command).object()["callerClaims"], json!({}));
}

#[test]
fn times_are_utc_with_microseconds_and_in_order() {
    let env = TestEnv::ready();
    let row = env.mer(["run", "cat", "x", "--json"]).object();
    let time = |key: &str| {
        let text = row[key].as_str().expect(key);
        assert!(text.ends_with('Z') && text.split_once('.').is_none_or(|(_, rest)| rest.len() <= 7), "{text}");
        text.parse::<jiff::Timestamp>().expect(key)
    };
    let (start, stop) = (time("startAccess"), time("stopAccess"));
    assert!(start < stop && stop <= jiff::Timestamp::now());
    let ms = |key: &str| row[key].as_f64().expect(key);
    assert!(ms("startMs") > 0.0 && ms("runMs") > 0.0 && ms("queueMs") >= 0.0 && ms("connectMs") >= 0.0, "{row}");
    let between = (stop.as_microsecond() - start.as_microsecond()) as f64 / 1000.0;
    assert!(ms("startMs") + ms("runMs") <= between + 1.0, "{row}");
}

#[test]
fn output_that_is_no_text_comes_as_base64() {
    let env = TestEnv::ready();
    let ran = env.mer(["run", "bytes", "--json"]).object();
    assert_eq!(keys(&ran), fields_and(&["outputBase64"]));
    let output = BASE64_STANDARD.decode(ran["outputBase64"].as_str().expect("text")).expect("base64");
    assert_eq!(output, b"\xff\xfex");
    let ran = env.mer(["run", "cat", "@/dev/null", "--json"]).object();
    assert_eq!(ran["output"], "", "no output is an empty one");
}

#[test]
fn a_failed_run_has_the_same_fields() {
    let env = TestEnv::ready();
    let ran = env.mer(["run", "fail", "x", "--json"]).ended(1);
    let object: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!(keys(&object), fields_and(&["output"]));
    assert_eq!((&object["status"], &object["output"]), (&json!("failed"), &json!("partial\n")));
    assert!(object["stderrTail"].as_str().expect("tail").ends_with("ValueError: boom\n"));
    let ran = env.mer(["run", "missing", "--json"]).ended(78);
    let object: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!(keys(&object), fields_and(&["output"]));
    assert!(object["error"].as_str().expect("error").contains("no-such-program"));
}

#[test]
fn hashes_are_those_of_what_was_sent_and_received() {
    let env = TestEnv::ready();
    let bytes: Vec<u8> = (0..=255).cycle().take(400_000).collect();
    env.file("work/data", &bytes);
    for (model, input, sent, received) in [
        ("cat", "@data", bytes.as_slice(), bytes.as_slice()),
        ("cat", "word", b"word\n", b"word\n"),
        ("upper", "word", b"word\n", b"WORD\n"),
        ("parrot", "word", b"word\n", b"word\n"),
    ] {
        let row = env.mer(["run", model, input, "--json"]).object();
        assert_eq!(row["stdinSha256"], sha256(sent), "{model}");
        assert_eq!(row["stdoutSha256"], sha256(received), "{model}");
        assert_eq!(row["stdoutBytes"], received.len(), "{model}");
    }
}

#[test]
fn without_hashes_bytes_are_still_counted() {
    let env = TestEnv::ready();
    let row = env.mer(["run", "cat", "word", "--json", "--no-hash"]).object();
    assert_eq!((&row["stdinSha256"], &row["stdoutSha256"]), (&Value::Null, &Value::Null));
    assert_eq!((&row["stdinBytes"], &row["stdoutBytes"]), (&json!(5), &json!(5)));
    env.file("work/mer.toml", "hashes = false\n");
    let row = env.mer(["run", "upper", "word", "--json"]).object();
    assert_eq!((&row["stdinSha256"], &row["stdoutSha256"]), (&Value::Null, &Value::Null));
    assert_eq!(env.rows().len(), 2);
}

#[test]
fn json_carries_16_mib_and_not_a_byte_more() {
    let env = TestEnv::ready();
    let ran = env.mer(["run", "flood", "16777216", "--json", "--no-hash"]).object();
    assert_eq!(ran["output"].as_str().expect("output").len(), 16_777_216);
    let ran = env.mer(["run", "flood", "16777217", "--json", "--no-hash"]).ended(64);
    assert_eq!(ran.stdout, "");
    let ran = env.mer(["run", "flood", "100000000", "--json", "--no-hash"]).ended(64);
    assert_eq!(ran.stdout, "");
    let told: Value = serde_json::from_str(ran.stderr.lines().last().expect("a line")).expect("an object");
    assert!(told["message"].as_str().expect("message").contains("16 MiB"), "{told}");
    assert!(told["hints"][0].as_str().expect("hint").contains("-o FILE"), "{told}");
    assert_eq!(env.rows()[0]["status"], "cancelled", "it did not get to its end");
    let ran = env.mer(["run", "flood", "16777217", "--json", "--no-hash", "-o", "big"]).object();
    assert_eq!(keys(&ran), fields_and(&[]), "the output is in the file");
    assert_eq!(std::fs::metadata(env.path("work/big")).expect("the file").len(), 16_777_217);
}

#[test]
fn the_log_is_newest_first_and_can_be_narrowed() {
    let env = TestEnv::ready();
    for (model, word) in [("cat", "1"), ("echo", "2"), ("cat", "3")] {
        env.mer(["run", model, word]).ok();
    }
    let models = |rows: Vec<Value>| rows.iter().map(|row| row["model"].clone()).collect::<Vec<_>>();
    let rows = env.rows();
    assert_eq!(models(rows.clone()), ["cat", "echo", "cat"]);
    let starts: Vec<_> = rows.iter().map(|row| row["startAccess"].as_str().expect("start").to_owned()).collect();
    assert!(starts.is_sorted_by(|newer, older| newer > older), "{starts:?}");
    assert_eq!(models(env.mer(["log", "--json", "--limit", "2"]).objects()), ["cat", "echo"]);
    assert_eq!(models(env.mer(["logs", "list", "--json", "--model", "echo"]).objects()), ["echo"]);
    assert_eq!(env.mer(["log", "list", "--json", "--since", &starts[1]]).objects().len(), 2);
    assert_eq!(env.mer(["log", "list", "--json", "--since", "1h"]).objects().len(), 3);
    assert_eq!(env.mer(["log", "list", "--json", "--since", "2999-01-01"]).ok(), "");
    assert_eq!(env.mer(["log", "list", "--json", "--limit", "0"]).ok(), "");
    let uid = rows[1]["requestUid"].as_str().expect("uid");
    assert_eq!(env.mer(["log", "show", uid, "--json"]).object(), rows[1]);
    assert_eq!(env.mer(["log", "show", "--json"]).object(), rows[0], "the newest, where none is named");
}

#[test]
fn the_log_lists_50_unless_asked_for_more() {
    let env = TestEnv::ready();
    let lines = vec!["run upper x"; 51];
    assert_eq!(env.script(&lines).ok().lines().count(), 51);
    assert_eq!(env.mer(["log", "list", "--json"]).objects().len(), 50);
    assert_eq!(env.rows().len(), 51);
}
