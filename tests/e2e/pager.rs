//! Output that is taller than the terminal goes through a pager.

use std::process::{Command, Stdio};

use mer_core::Status;
use mer_testkit::{ended, started};
use rustix::process::Signal;
use uuid::Uuid;

use crate::support::{OnScreen, OnServer, Ran, TestEnv, pid_in, record, wait_gone, wait_until};

/// A pager that says that it is one.
const NAMED: &str = "sh -c 'echo paged; cat'";

/// Rows of the settings are more than 10 and fewer than 100.
fn listed(env: &TestEnv, rows: u16, args: &[&str], variables: &[(&str, &str)]) -> (Ran, String) {
    OnScreen::start(with(env, args, variables), Stdio::null(), (rows, 200)).finish()
}

fn with(env: &TestEnv, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = env.with_args(args);
    command.env("TERM", "xterm").envs(variables.iter().copied());
    command
}

#[test]
fn a_list_that_is_taller_than_the_terminal_is_paged() {
    let env = TestEnv::new();
    let shown = |rows, args: &[&str], variables: &[(&str, &str)]| {
        let (ran, shown) = listed(&env, rows, args, variables);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?} {variables:?}");
        shown
    };
    let list = ["config", "show"];
    let whole = shown(100, &list, &[("MER_PAGER", NAMED)]);
    assert!(whole.starts_with("^[1mSETTING") && whole.contains("logFormat"), "{whole}");
    let paged = format!("paged\n{whole}");
    assert_eq!(shown(10, &list, &[("MER_PAGER", NAMED)]), paged);
    assert_eq!(shown(10, &list, &[("PAGER", NAMED)]), paged);
    assert_eq!(shown(10, &list, &[("PAGER", "false"), ("MER_PAGER", NAMED)]), paged);
    // The prompt takes a row too.
    let rows = u16::try_from(whole.lines().count()).expect("rows");
    assert_eq!(shown(rows, &list, &[("MER_PAGER", NAMED)]), paged);
    assert_eq!(shown(rows + 1, &list, &[("MER_PAGER", NAMED)]), whole);
    // `PAGER=less` shows colour.
    let flags = [("MER_PAGER", "sh -c 'echo $LESS; cat'")];
    assert_eq!(shown(10, &list, &flags), format!("FRX\n{whole}"));
    assert_eq!(shown(10, &list, &[flags[0], ("LESS", "-S")]), format!("-S\n{whole}"));
    for none in ["", "cat"] {
        assert_eq!(shown(10, &list, &[("PAGER", NAMED), ("MER_PAGER", none)]), whole);
    }
    assert_eq!(
        shown(10, &list, &[("PAGER", NAMED), ("TERM", "dumb")]).replace("^[1m", ""),
        whole.replace("^[1m", "").replace("^[0m", "")
    );
    assert!(!shown(10, &["config", "show", "--json"], &[("PAGER", NAMED)]).contains("paged"));
    let mut piped = env.with(["config", "show"]);
    piped.env("MER_PAGER", NAMED);
    assert!(!crate::support::run(piped).ok().contains("paged"));
}

#[test]
fn a_single_object_is_paged_too() {
    let env = TestEnv::ready();
    env.mer(["run", "fail", "x"]).ended(1);
    let (ran, shown) = listed(&env, 10, &["log", "show"], &[("MER_PAGER", NAMED)]);
    assert!(ran.code == Some(0) && shown.starts_with("paged\n") && shown.contains("ValueError: boom"), "{shown}");
    let (ran, shown) = listed(&env, 10, &["log", "list", "--csv"], &[("MER_PAGER", "false")]);
    assert!(ran.code == Some(0) && shown.starts_with("requestUid"), "{shown}");
}

#[test]
fn a_pager_that_is_missing_is_done_without() {
    let env = TestEnv::new();
    for missing in ["no-such-pager -x", "'"] {
        let (ran, shown) = listed(&env, 10, &["config", "show"], &[("MER_PAGER", missing)]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{missing}");
        assert!(shown.contains("SETTING") && shown.contains("logFormat"), "{shown}");
        let (ran, _) = listed(&env, 10, &["config", "show", "-v"], &[("MER_PAGER", missing)]);
        assert!(ran.stderr.contains(&format!("the pager `{missing}` could not be started")), "{}", ran.stderr);
    }
}

#[test]
fn leaving_the_pager_early_is_no_failure() {
    let place = OnServer::embedded();
    place.mer(["migrate", "--quiet"]).ok();
    let time = jiff::Timestamp::from_second(1_777_593_600).expect("a time");
    let access = |n| ended(&started(Uuid::from_u128(n), 1, "iris", time), Status::Succeeded);
    let accesses: Vec<_> = (0..3000).map(access).collect();
    record(&place.env, &place.url, &accesses);
    let args = ["log", "list", "--limit", "3000", "--since", "2026-01-01"];
    let (ran, shown) = listed(&place.env, 10, &args, &[("MER_PAGER", "head -1"), ("DB_CONNECTION_URL", &place.url)]);
    assert_eq!((ran.code, ran.stderr.as_str(), shown.lines().count()), (Some(0), "", 1), "{shown}");
    let (ran, shown) = listed(&place.env, 10, &args, &[("MER_PAGER", "cat -u"), ("DB_CONNECTION_URL", &place.url)]);
    assert_eq!((ran.code, ran.stderr.as_str(), shown.lines().count()), (Some(0), "", 3001));
}

#[test]
fn ctrl_c_is_for_the_pager_and_term_ends_it() {
    let pager = "sh -c 'trap \"\" INT; echo $$ > pager.pid; cat > /dev/null; while [ ! -e go ]; do sleep 0.05; done'";
    for (signal, code) in [(Signal::INT, 0), (Signal::TERM, 143)] {
        let env = TestEnv::new();
        let command = with(&env, &["config", "show"], &[("MER_PAGER", pager)]);
        let mut screen = OnScreen::start(command, Stdio::null(), (10, 200));
        let pid = env.path("work/pager.pid");
        wait_until("the pager", || pid.metadata().is_ok_and(|file| file.len() > 1).then_some(()));
        let pid = pid_in(&pid);
        screen.mer.signal(signal);
        if signal == Signal::INT {
            assert!(!screen.mer.is_over());
            env.file("work/go", "");
        }
        assert_eq!(screen.finish().0.code, Some(code), "{signal:?}");
        wait_gone(pid);
    }
}

#[test]
fn signals_while_rows_are_read_are_those_of_the_pager_and_of_the_command() {
    let place = OnServer::embedded();
    place.mer(["migrate", "--quiet"]).ok();
    let time = jiff::Timestamp::from_second(1_777_593_600).expect("a time");
    let access = |n| ended(&started(Uuid::from_u128(n), 1, "iris", time), Status::Succeeded);
    record(&place.env, &place.url, &(0..5000).map(access).collect::<Vec<_>>());
    let args = ["log", "list", "--limit", "5000", "--since", "2026-01-01"];
    let shown = |pager: &str| listed(&place.env, 10, &args, &[("MER_PAGER", pager), ("DB_CONNECTION_URL", &place.url)]);
    // Ctrl-C, which the pager ignores: it keeps what it has.
    let (ran, text) = shown("sh -c 'trap \"\" INT; kill -INT $PPID; sleep 0.2; cat'");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{text}");
    assert!(text.starts_with("^[1mSTARTED"), "{text}");
    // TERM ends the pager, also after Ctrl-C.
    for signals in ["kill -TERM $PPID", "kill -INT $PPID; kill -TERM $PPID"] {
        let wait = "cat > /dev/null; while :; do sleep 0.05; done";
        let (ran, text) = shown(&format!("sh -c 'trap \"\" INT; {signals}; {wait}'"));
        assert_eq!(ran.code, Some(143), "{signals}: {text}");
    }
}

#[test]
fn a_script_is_not_stopped_by_a_pager() {
    let env = TestEnv::new();
    let command = with(&env, &[], &[("MER_PAGER", NAMED)]);
    let mut screen = OnScreen::start(command, Stdio::piped(), (10, 200));
    screen.mer.say("config show\nquit\n");
    let (ran, shown) = screen.finish();
    assert!(ran.code == Some(0) && shown.contains("logFormat") && !shown.contains("paged"), "{shown}");
}
