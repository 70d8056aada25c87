//! Filters on the command line, and times as people write them.

use super::{everywhere, hourly};
use crate::support::{OnServer, TestEnv, run};

/// The labels `n` of the listed accesses, oldest first.
#[track_caller]
fn listed(place: &OnServer, args: &str) -> Vec<u32> {
    let mut command = place.with(["log", "list", "--json", "--limit", "1000"]);
    command.args(shlex::split(args).expect("words")).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
    let rows = run(command).objects().into_iter();
    let mut found: Vec<u32> =
        rows.map(|row| row["tags"]["n"].as_str().expect("a label").parse().expect("a number")).collect();
    found.reverse();
    found
}

#[test]
fn filters_of_the_command_line_select_together_in_every_database() {
    let all = hourly(60);
    for place in everywhere(&all) {
        let expect = |args: &str, keep: &dyn Fn(u32) -> bool| {
            let expected: Vec<u32> = (0..60).filter(|n| keep(*n)).collect();
            assert_eq!(listed(&place, args), expected, "{}: {args}", place.url);
        };
        let ever = "--since 2026-01-01";
        expect("", &|_| true);
        expect("--model iris", &|n| n % 2 == 0);
        expect("--model iris --failed", &|n| n % 2 == 0 && n % 3 == 2);
        expect(&format!("--failed {ever}"), &|n| n % 3 == 2);
        expect(&format!("--status succeeded {ever} --kind train"), &|n| n % 3 != 2 && n % 5 == 4);
        expect(&format!("--server gpu {ever}"), &|n| n / 2 % 2 == 1);
        expect(&format!("--caller bob {ever}"), &|n| n / 3 % 2 == 1);
        expect(&format!("--caller bob@lab --server gpu {ever}"), &|n| n / 3 % 2 == 1 && n / 2 % 2 == 1);
        expect(&format!("--caller bo {ever}"), &|_| false);
        expect(&format!("--weights 7 {ever}"), &|_| true);
        expect(&format!("--weights a1a1a1a1A1 {ever}"), &|_| true);
        expect(&format!("--weights 00000000 {ever}"), &|_| false);
        expect(&format!("--tag n=7 {ever}"), &|n| n == 7);
        expect(&format!("--tag n=7 --tag x=y {ever}"), &|_| false);
        // Text is literal.
        expect(&format!("--contains '0%' {ever}"), &|n| n % 3 == 2);
        expect(&format!("--contains '%0' {ever}"), &|_| false);
        expect(&format!("--contains '_' {ever}"), &|_| false);
        expect(&format!("--contains 'Traceback' --model echo {ever}"), &|n| n % 2 == 1);
        // Days are those of the time zone, two hours before UTC, unless it is to be UTC.
        expect("--since 2026-05-02 --until 2026-05-03", &|n| (22..46).contains(&n));
        expect("--since 2026-05-02 --until 2026-05-03 --utc", &|n| (24..48).contains(&n));
        expect("--since 2026-05-02T10:00 --until '2026-05-02 12:30'", &|n| (32..35).contains(&n));
        expect("--since 2026-05-02T10:00Z --until 2026-05-02T10:00Z", &|_| false);
        expect("--since 0001-01-01 --until 9999-12-31", &|_| true);
        expect("--since yesterday", &|_| false);
        expect("--until yesterday", &|_| true);
    }
}

#[test]
fn a_filter_without_an_index_searches_the_last_days_and_says_so() {
    let all = hourly(3);
    for place in everywhere(&all) {
        let old = place.mer_line("log list --json --server local").objects();
        assert!(old.is_empty(), "{}: {old:?}", place.url);
        let text = place.mer_line("log list --server local").ended(0);
        assert_eq!(
            text.stderr,
            "no index has these filters: only the last 7 days are searched; `--since` searches further back\n"
        );
        place.mer_line("log list --server local --since 2026-01-01").ok();
        place.mer_line("log list --model iris --server local").ok();
        let indexed = place.mer_line("log list --failed").ended(0);
        assert_eq!(indexed.stderr.is_empty(), place.url.starts_with("postgres"), "{}", place.url);
        let until = place.mer_line("log list --json --server local --until 2026-05-02").objects();
        assert_eq!(until.len(), 2, "the 7 days end there");
    }
}

#[test]
fn times_and_filters_that_cannot_be_are_64() {
    let env = TestEnv::ready();
    let refused = |args: &[&str]| {
        let mut command = env.with(["log", "list"]);
        command.args(args).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        run(command).failed(64)
    };
    for wrong in ["tomorrow", "2026-02-30", "2026-05-01T25:00", "5y", "2026-05-01T10:00[Nowhere/Land]", "%"] {
        for flag in ["--since", "--until"] {
            let told = refused(&[flag, wrong]);
            assert!(told.contains("`2026-05-04T12:00`"), "{told}");
        }
    }
    let gap = refused(&["--since", "2026-03-29T02:30"]);
    assert!(gap.contains("the time 2026-03-29T02:30:00 does not exist"), "{gap}");
    for line in [
        "log prune --older-than 2026-03-29T02:30",
        "log export --csv --until 2026-03-29T02:59:59",
        "log stats --since 2026-03-29T02:00",
        "report --since 2026-03-29T02:30 -o page.html",
    ] {
        let mut command = env.command();
        command.args(line.split_whitespace()).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        let told = run(command).failed(64);
        assert!(told.contains("does not exist"), "{line}: {told}");
        // In UTC it exists.
        let mut command = env.command();
        command.args(line.split_whitespace()).args(["--utc", "--quiet"]).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        run(command).ended(0);
    }
    let reversed = refused(&["--since", "2026-05-02", "--until", "2026-05-01"]);
    assert!(reversed.contains("`--until` is 2026-04-30T22:00:00Z, before `--since`"), "{reversed}");
    for args in [
        &["--status", "fine"][..],
        &["--status", "failed", "--failed"],
        &["--weights", "abc"],
        &["--weights", "%%%%%%%%"],
        &["--batch", "x"],
        &["--tag", "x"],
        &["--tag", "x=1", "--tag", "y=1", "--tag", "x=2"],
        &["--since", "20260504"],
        &["--csv", "--json"],
        &["--limit", "-1"],
    ] {
        refused(args);
    }
    let twice = env.mer(["log", "list", "--tag", "x=1", "--tag", "x=1", "--limit", "0"]).ended(0);
    assert!(twice.stdout.starts_with("STARTED"), "{}", twice.stdout);
    // Longer than an argument of a process can be.
    let long = "x".repeat(1 << 20);
    for flag in ["contains", "server", "caller"] {
        let told = env.script(&[&format!("log list --{flag} {long}")]).failed(64);
        assert!(told.len() < 1000 && told.contains("longer than 65536 bytes"), "{told:.1000}");
    }
    let text = "a\u{202e}b\u{1b}[2J'\"\\";
    let mut command = env.with(["log", "list", "--json", "--contains", text]);
    command.args(["--caller", text, "--server", text]);
    assert_eq!(run(command).ok(), "");
}

#[test]
fn a_list_as_csv_has_all_fields_and_no_formula() {
    let mut all = hourly(2);
    all[1].error = Some("=cmd|'/c calc'!A1".to_owned());
    all[1].caller = "@SUM(A1)".to_owned();
    let [place, ..] = &everywhere(&all)[..] else { return };
    let csv = place.mer_line("log list --csv").ok();
    let mut lines = csv.lines();
    assert!(lines.next().is_some_and(|head| head.starts_with("requestUid,attempt,model,") && head.ends_with(",tags")));
    assert!(csv.contains(",'=cmd|'/c calc'!A1,") && csv.contains(",'@SUM(A1),"), "{csv}");
    assert!(!csv.contains(",=") && !csv.contains(",@"), "{csv}");
}
