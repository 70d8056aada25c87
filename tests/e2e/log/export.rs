//! `mer log export`.

use std::{process::Stdio, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use super::{everywhere, hourly};
use crate::support::{Live, moment, sha256};

#[test]
fn an_export_has_every_access_once_with_its_number_and_hash() {
    let all = hourly(620);
    for place in everywhere(&all) {
        let ran = place.mer_line("log export --jsonl").ended(0);
        let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let expected: Vec<Value> = all.iter().map(|access| serde_json::to_value(access).expect("JSON")).collect();
        assert!(rows == expected, "{}: {} rows", place.url, rows.len());
        let last = all[619].request_uid;
        let told = format!(
            "620 accesses, {} bytes, sha256 {}; the next export begins with `--after {last}`\n",
            ran.bytes.len(),
            sha256(&ran.bytes)
        );
        assert_eq!(ran.stderr, told, "{}", place.url);
        let listed = place.mer_line("log list --json --limit 1").ok();
        assert_eq!(ran.stdout.lines().last(), listed.lines().next(), "a line is that of the list");

        let after = all[609].request_uid;
        let rest = place.mer_line(&format!("log export --jsonl --after {after} --quiet")).ok();
        assert!(rest.lines().eq(ran.stdout.lines().skip(610)), "{}", place.url);
        let none = place.mer_line(&format!("log export --csv --after {last} --quiet")).ok();
        assert_eq!(none.lines().count(), 1, "the head");
        let since =
            place.mer_line("log export --jsonl --quiet --utc --since 2026-05-02 --until 2026-05-04 --model iris").ok();
        assert_eq!(since.lines().count(), 24);

        let csv = place.mer_line("log export --csv --json -o log.csv").object();
        let file = place.env.read("work/log.csv");
        assert_eq!(csv["rows"], 620);
        assert_eq!(csv["sha256"], sha256(file.as_bytes()));
        assert_eq!((&csv["bytes"], &csv["lastUid"]), (&file.len().into(), &last.to_string().into()));
        assert_eq!(file.matches("\n01900000-").count(), 620);
    }
}

#[test]
fn an_export_without_a_format_or_to_a_full_disk_is_refused() {
    let all = hourly(400);
    let [place, ..] = &everywhere(&all)[..] else { return };
    for wrong in ["log export", "log export --csv --jsonl", "log export --csv --after x"] {
        place.mer_line(wrong).failed(64);
    }
    place.mer_line("log export --csv -o missing/log.csv").failed(74);
    let mut command = place.with(["log", "export", "--csv"]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    command.stdin(Stdio::null());
    let ran = Live::start_to(command, Stdio::null(), full).finish().ended(74);
    assert!(ran.stderr.contains("cannot write"), "{}", ran.stderr);
    let mut command = place.with(["log", "export", "--csv", "-o", "/dev/full"]);
    command.stdin(Stdio::null());
    Live::start(command, Stdio::null()).finish().ended(74);
}

#[test]
fn an_export_that_is_killed_leaves_no_file_of_that_name() {
    let all = hourly(400);
    let [place, ..] = &everywhere(&all)[..] else { return };
    place.env.file("work/log.csv", "before");
    let export = Live::start(place.with(["log", "export", "--jsonl", "-o", "log.csv"]), Stdio::null());
    std::thread::sleep(moment(Duration::from_millis(500)));
    export.signal(Signal::KILL);
    let is_over = export.finish().code == Some(0);
    let file = place.env.read("work/log.csv");
    assert!(file == "before" || file.lines().count() == 400, "{is_over}: {file}");
    assert_eq!(place.mer_line("log export --jsonl --json -o log.csv").object()["rows"], 400);
}
