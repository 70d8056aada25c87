//! Tables on a terminal: columns by rank, short uids, times of the time zone, expanded rows.

use std::process::Stdio;

use crate::support::{OnScreen, TestEnv};

/// What a command writes to a terminal of this width as its standard output.
fn on_screen(env: &TestEnv, columns: u16, line: &str) -> String {
    let mut command = env.command();
    command
        .args(line.split_whitespace())
        .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        .env("TERM", "xterm")
        .env("MER_PAGER", "");
    let (ran, shown) = OnScreen::start(command, Stdio::null(), (24, columns)).finish();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{line}");
    shown
}

#[test]
fn tables_fit_the_screen_and_are_whole_elsewhere() {
    let env = TestEnv::new();
    env.piped(["--allow-changes", "--quiet", "import", "-"], include_str!("../database.jsonl")).ok();
    let mut text = String::new();
    for (columns, line) in [
        (200, "log list --kind all"),
        (80, "log list --kind all"),
        (80, "log list --limit 2 --utc"),
        (80, "log list --limit 1 --wide"),
        (20, "log list --limit 2"),
        (20, "log list --model none"),
        (80, "log stats --by model"),
        (200, "log stats --by model"),
        (20, "log stats --by model"),
        (20, "model list"),
        (80, "model list"),
        (200, "model list"),
        (30, "server list"),
        (80, "server list"),
        (20, "weights list"),
        (80, "weights list"),
        (200, "weights list"),
        (80, "weights alias sentiment"),
    ] {
        text += &format!("$ mer {line}   [{columns} columns]\n{}\n", on_screen(&env, columns, line));
    }
    for line in text.lines().filter(|line| !line.contains("--wide")).filter(|line| line.starts_with('2')) {
        assert!(line.chars().count() <= 200, "{line}");
    }
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("screens", text.trim_end()));
    let piped = env.mer(["log", "list"]).ok();
    assert!(
        piped.contains("01989680-0000-7000-8000-030000000006") && piped.contains("2026-05-06T14:00:06Z"),
        "{piped}"
    );
    assert_eq!(env.mer(["log", "list", "--wide"]).ok(), piped);
}

#[test]
fn lists_with_times_of_now_have_units_too() {
    let env = TestEnv::ready();
    let lines = on_screen(&env, 200, "migrate status");
    let first = lines.lines().nth(1).expect("a script");
    assert!(lines.contains("  APPLIED              TIME") && first.contains(" ms  "), "{lines}");
    let piped = env.mer(["migrate", "status"]).ok();
    assert!(piped.contains("  MS  ") && piped.contains('Z'), "{piped}");
    let narrow = on_screen(&env, 30, "migrate status");
    assert!(narrow.starts_with("^[1mNUMBER") || narrow.starts_with("^[1m-- 1"), "{narrow}");
}
