//! The journal of accesses between a run and the database.

use std::{fs, path::PathBuf};

use rustix::process::Signal;

use crate::support::{TestEnv, journal, pid_in, wait_until};

fn segments(env: &TestEnv) -> Vec<PathBuf> {
    journal::segments(&env.path("data/mer/db.journal"))
}

fn lines(file: &PathBuf) -> Vec<Vec<u8>> {
    let text = fs::read(file).expect("segment");
    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_corrupt_line_is_reported_once_and_kept_aside_and_the_rest_drains() {
    let env = TestEnv::ready();
    for word in ["1", "2", "3"] {
        env.mer(["run", "cat", word]).ok();
    }
    let segment = &segments(&env)[1];
    let mut text = lines(segment);
    assert_eq!(text.len(), 3, "a header, a start, an end");
    text.insert(2, b"0badc0de {\"requestUid\": \"damaged \xff\n".to_vec());
    text.push(b"12345678 {\"requestUid\":\"cut off in the mid".to_vec());
    fs::write(segment, text.concat()).expect("segment");
    let ran = env.mer(["log", "list", "--json"]).ended(0);
    assert_eq!(ran.stdout.lines().count(), 3, "{ran:?}");
    assert_eq!(ran.stderr.matches("kept aside").count(), 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("corrupt.jsonl"), "{}", ran.stderr);
    let kept = env.read("data/mer/db.journal/corrupt.jsonl");
    let kept: Vec<serde_json::Value> =
        kept.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept[0]["line"].as_str().expect("line").contains("damaged"));
    assert!(kept[1]["line"].as_str().expect("line").ends_with("in the mid"));
    assert_eq!(env.rows().len(), 3);
    assert!(env.rows().iter().all(|row| row["status"] == "succeeded"));
    assert!(segments(&env).is_empty(), "what is drained is gone");
}

#[test]
fn a_damaged_start_does_not_lose_the_end_and_a_damaged_end_is_lost() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "start is damaged"]).ok();
    env.mer(["run", "cat", "end is damaged"]).ok();
    for (segment, line) in segments(&env).iter().zip([1, 2]) {
        let mut text = lines(segment);
        let last = text[line].len() - 5;
        text[line][last] ^= 1;
        fs::write(segment, text.concat()).expect("segment");
    }
    let ran = env.mer(["log", "list", "--json"]).ended(0);
    assert_eq!(ran.stderr.matches("kept aside").count(), 2, "{}", ran.stderr);
    let statuses: Vec<_> = env.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["lost", "succeeded"]);
}

#[test]
fn a_segment_without_a_readable_head_is_kept_aside_whole() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "1"]).ok();
    env.mer(["run", "cat", "2"]).ok();
    let segment = segments(&env).remove(0);
    let text = fs::read(&segment).expect("segment");
    fs::write(&segment, [b"x", text.as_slice()].concat()).expect("segment");
    let ran = env.mer(["log", "list", "--json"]).ended(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(ran.stderr.contains("no readable first line"), "{}", ran.stderr);
    assert!(segment.with_extension("corrupt").is_file());
    assert_eq!(env.rows().len(), 1, "reported once");
}

#[test]
fn a_run_that_goes_on_is_listed_as_started_and_then_as_what_it_became() {
    let env = TestEnv::ready();
    let live = env.start(["run", "waiting", "x"]);
    live.wait_stdout("first\n");
    let row = env.row();
    assert_eq!((&row["status"], &row["stopAccess"]), (&"started".into(), &serde_json::Value::Null), "{row}");
    let list = env.mer(["log", "list"]).ok();
    assert!(list.contains("started"), "{list}");
    env.file("work/go", "");
    live.finish().ended(0);
    let after = env.row();
    assert_eq!((&after["requestUid"], &after["status"]), (&row["requestUid"], &"succeeded".into()));
}

#[test]
fn a_run_whose_mer_was_killed_is_closed_as_lost_by_the_next_command() {
    let env = TestEnv::ready();
    let live = env.start(["run", "slow", "x"]);
    live.wait_stdout("begun\n");
    let model = pid_in(&env.path("work/slow.pid"));
    assert_eq!(env.row()["status"], "started");
    live.signal(Signal::KILL);
    let ran = live.finish();
    assert_eq!(ran.code, None, "killed");
    let row = env.row();
    assert_eq!(row["status"], "lost");
    assert_eq!(row["error"], "no end of this run was recorded: `mer` was killed, or could not write it down");
    wait_until("the end of the model", || (!crate::support::alive(model)).then_some(()));
    assert_eq!(env.row(), row, "and stays so");
}

#[test]
fn accesses_of_another_database_stay_where_they_are() {
    let env = TestEnv::ready();
    let other = TestEnv::new();
    other.mer(["run", "echo", "x"]).ok();
    env.mer(["run", "cat", "x"]).ok();
    let foreign = segments(&other).remove(0);
    let here = env.path("data/mer/db.journal").join(foreign.file_name().expect("name"));
    fs::copy(&foreign, &here).expect("copy");
    assert_eq!(env.rows().len(), 1);
    assert!(here.is_file(), "it waits until that database is back");
}
