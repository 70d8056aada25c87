//! `mer report`.

use std::fs;

use super::{everywhere, hourly};

#[test]
fn a_report_is_the_same_on_every_database() {
    let mut told = Vec::new();
    for place in everywhere(&hourly(60)) {
        let line = "report --since 2026-05-01 --until 2026-05-04 --utc --json -o page.html";
        let mut numbers = place.mer_line(line).object();
        assert_eq!((&numbers["totals"]["requests"], &numbers["totals"]["failed"]), (&60.into(), &20.into()));
        assert_eq!(numbers["latency"]["rows"].as_array().map(Vec::len), Some(4), "{numbers}");
        assert_eq!(numbers["slowest"]["rows"][0]["runMs"], 59.5);
        assert_eq!(numbers["failed"]["rows"].as_array().map(Vec::len), Some(20));
        // The file is written in the folder of the call, and readable by its owner only.
        let page = fs::read_to_string(place.env.path("work/page.html")).expect("the page");
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("20 (33 %)") && page.contains("it was 590%"));
        for own in ["database", "madeAt", "servers"] {
            numbers.as_object_mut().expect("an object").remove(own);
        }
        told.push(numbers);
    }
    for numbers in &told[1..] {
        assert_eq!(numbers, &told[0]);
    }
}

#[test]
fn what_is_wrong_with_a_report_is_told() {
    let env = crate::support::TestEnv::ready();
    let none = env.mer(["report", "--json"]).object();
    assert_eq!(none["totals"]["requests"], 0);
    env.mer(["report", "-o", "-"]).ok();
    let told = env.mer(["report", "--since", "2026-05-02", "--until", "2026-05-01", "-o", "x"]).failed(64);
    assert!(told.contains("before `--since`"), "{told}");
    assert!(env.mer(["report"]).failed(64).contains("--output"));
    env.mer(["report", "--since", "tomorrow", "-o", "x"]).failed(64);
    env.mer(["report", "-o", "no/such/folder/x"]).failed(74);
    assert!(!env.path("work/x").exists(), "nothing is left of a report that failed");
    env.mer(["report", "--since", "0001-01-01", "-o", "x"]).ok();
}
