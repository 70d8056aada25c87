//! A batch on a terminal, for programs, in scripts, in the log, and with a resident.

use super::support::{BatchEnv, answers, numbers};
use crate::support::AtTerminal;

#[test]
fn progress_is_a_line_on_a_terminal_and_objects_for_programs() {
    let place = BatchEnv::new();
    let lines = format!("{}gate\n", numbers(30));
    place.input(&lines);
    let mut terminal = AtTerminal::start(&place.env, ["batch", "work", "in", "-o", "out"]);
    terminal.expect("0 of 31, 0.0/s");
    place.env.file("work/go", "");
    let (ran, shown) = terminal.finish();
    ran.ended(0);
    assert!(shown.contains("31 items: 31 succeeded, 0 failed; "), "{shown}");

    let ran = place.batch("work in -o out --force --progress json --json").ended(0);
    let objects: Vec<serde_json::Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let last = objects.last().expect("progress");
    assert_eq!(
        (&last["message_type"], &last["total"], &last["succeeded"]),
        (&"batch_progress".into(), &31.into(), &31.into())
    );
    assert_eq!(last["servers"]["local"]["succeeded"], 31);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a summary");
    assert_eq!((&summary["succeeded"], &summary["failed"], &summary["kept"]), (&31.into(), &0.into(), &0.into()));
    assert!(summary["batchUid"].is_string() && summary["seconds"].is_number());
}

#[test]
fn a_dry_run_counts_and_starts_nothing() {
    let place = BatchEnv::new();
    place.input("a\nb\na\n");
    let ran = place.batch("work in -o out --dry-run").ended(0);
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
    assert!(lines.contains(&"items            3") && lines.contains(&"to run           3"), "{}", ran.stdout);
    assert!(lines.contains(&"repeated items   1"), "{}", ran.stdout);
    assert!(place.asked().is_empty() && place.env.rows().is_empty() && !place.env.path("work/out").exists());
    let plan = place.batch("work in -o out --dry-run --json --duplicates share").object();
    assert_eq!((&plan["toRun"], &plan["repeated"]), (&2.into(), &1.into()));
    // `--json` is about what is said, and the results are of one line each.
    place.batch("work in -o out -q").ok();
    let plan = place.batch("work in -o out --resume --dry-run --json").object();
    assert_eq!((&plan["toRun"], &plan["kept"]), (&0.into(), &3.into()));
    place.batch("work in -o out --resume --json").failed(65);
}

#[test]
fn a_batch_is_on_record_as_parts() {
    let place = BatchEnv::new();
    place.input(format!("{}die\n", numbers(2000)));
    let ran = place.batch("work in -o out --tag team=red --json").ended(1);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a summary");
    let batch = summary["batchUid"].as_str().expect("a uid").to_owned();
    place.batch("once in -q --halt soon,done=1 -j 1").ended(0);
    let rows = place.env.mer(["log", "list", "--batch", &batch, "--json", "--limit", "5000"]).objects();
    assert!((3..1100).contains(&rows.len()), "{}", rows.len());
    assert!(rows.iter().all(|row| row["batchUid"] == *batch && row["tags"]["team"] == "red"));
    let sum = |field: &str| rows.iter().map(|row| row[field].as_u64().expect("a number")).sum::<u64>();
    // The last item was in two parts, and failed in both; items before it may have been run again.
    assert!(sum("items") >= 2002 && sum("failedItems") >= 2, "{rows:?}");
    let part = rows.iter().max_by_key(|row| row["items"].as_u64()).expect("a part");
    assert!((2..=1000).contains(&part["items"].as_u64().expect("a number")), "{part}");
    assert_eq!((&part["status"], &part["failedItems"]), (&"succeeded".into(), &0.into()));
    let shown = place.env.mer(["log", "show", part["requestUid"].as_str().expect("a uid")]).ok();
    assert!(shown.contains("\nfailed items  0\n") && shown.contains(&batch), "{shown}");
    // A row an item.
    let ran = place.batch("work in -o out --force --record each --json").ended(1);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a summary");
    let batch = summary["batchUid"].as_str().expect("a uid");
    let rows = place.env.mer(["log", "list", "--batch", batch, "--json", "--limit", "3000"]).objects();
    assert!(rows.len() >= 2001 && rows.iter().all(|row| row["items"] == 1), "{}", rows.len());
}

#[test]
fn scripts_and_the_repl_run_batches_of_files() {
    let place = BatchEnv::new();
    place.input("a\nb\n");
    let ran = place.env.script(&["batch work in -o out -q", "batch once in -q", "run work c"]).ended(0);
    assert_eq!((place.read("out").as_str(), ran.stdout.as_str()), ("got a\ngot b\n", "got a\ngot b\ngot c\n"));
    let ran = place.env.script(&["batch work"]).ended(64);
    assert!(ran.stderr.contains("standard input is where commands come from"), "{}", ran.stderr);
    let ran =
        place.env.script(&["batch once in -o out2 --halt soon,done=1 -q", "batch once in -o out2 --halt soon,done=1"]);
    let said = ran.ended(64).stderr;
    assert!(said.contains("`out2` is there already"), "{said}");
}

#[test]
fn items_come_from_a_pipe() {
    let place = BatchEnv::new();
    let lines = numbers(3000);
    assert!(place.env.piped(["batch", "work", "-q"], &lines).ok() == answers(&lines));
    assert!(place.env.piped(["batch", "work", "-", "-o", "out", "-q"], &lines).ok().is_empty());
    assert!(place.read("out") == answers(&lines));
    // An answer does not wait for further items.
    let mut live = place.env.start(["batch", "work", "-q"]);
    live.say("first\n");
    live.wait_stdout("got first\n");
    live.say("second\n");
    live.wait_stdout("got second\n");
    assert_eq!(live.finish().ok(), "got first\ngot second\n");
}

#[test]
fn a_kept_model_is_that_of_the_resident() {
    let place = BatchEnv::new();
    place.env.mer(["--allow-changes", "-q", "model", "set", "work", "--keepalive", "5m"]).ok();
    place.input(numbers(100));
    place.batch("work in -q -o out").ok();
    place.batch("work in -q -o out --force --no-serve").ok();
    let vias: Vec<String> =
        place.env.rows().iter().map(|row| row["via"].as_str().unwrap_or("none").to_owned()).collect();
    assert_eq!(vias, ["none", "resident"]);
    assert_eq!(place.read("out"), answers(&numbers(100)));
    let mut stop = place.env.with(["stop", "--all", "-q"]);
    stop.env("MER_RUNTIME_DIR", place.env.path("runtime"));
    crate::support::run(stop).ok();
}
