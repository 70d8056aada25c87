//! Tables on a terminal: columns by rank, short uids, times of the time zone, expanded rows.

use std::{
    fs::File,
    io::Read as _,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    process::Stdio,
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{Live, TestEnv};

/// What a command writes to a terminal of this width as its standard output.
fn on_screen(env: &TestEnv, columns: u16, line: &str) -> String {
    let terminal = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).expect("terminal");
    grantpt(&terminal).expect("grant");
    unlockpt(&terminal).expect("unlock");
    let name = ptsname_r(&terminal).expect("name");
    let inner = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name);
    let inner = inner.expect("terminal");
    tcsetwinsize(&inner, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
    let mut command = env.command();
    command.args(line.split_whitespace()).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").env("TERM", "xterm");
    let mut terminal = File::from(OwnedFd::from(terminal));
    let reader = std::thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        // An error is the end: no process has the other side open.
        while let Ok(count @ 1..) = terminal.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
        }
        shown
    });
    let ran = Live::start_to(command, Stdio::null(), inner).finish();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{line}");
    String::from_utf8(reader.join().expect("a reader")).expect("text").replace("\r\n", "\n").replace('\x1b', "^")
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
        (80, "model list"),
        (30, "server list"),
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
