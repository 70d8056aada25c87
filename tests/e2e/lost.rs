//! Runs of a dead `mer` are closed as `lost`: at once on the machine with its journal, elsewhere when their heartbeat has
//! been missing for too long.

use std::{fs, path::Path, process::Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Live, OnServer, TestEnv, database_uid,
    journal::{leave_segment, segments},
    shared_databases, sql, wait_until,
};

/// Puts a start without an end into a journal, as from a `mer` that was killed long ago on another machine.
fn leave_start(journal: &Path, database_uid: &str, sample: &Value) {
    let mut access = sample.as_object().expect("an object").clone();
    access.remove("output");
    for (key, value) in [
        ("requestUid", json!("00000000-0000-7000-8000-000000000001")),
        ("startAccess", json!("2026-01-01T00:00:00.000001Z")),
        ("stopAccess", Value::Null),
        ("exitCode", Value::Null),
        ("status", json!("started")),
    ] {
        access.insert(key.to_owned(), value);
    }
    leave_segment(journal, database_uid, &access.into());
}

#[track_caller]
fn is_lost(row: &Value) {
    assert_eq!((&row["status"], &row["stopAccess"], &row["exitCode"]), (&json!("lost"), &Value::Null, &Value::Null));
    assert_eq!(row["startAccess"], "2026-01-01T00:00:00.000001Z");
    assert_eq!(row["error"], "no end of this run was recorded: `mer` was killed, or could not write it down");
}

#[test]
fn a_start_that_was_left_behind_is_lost_and_stays_so() {
    let env = TestEnv::ready();
    let sample = env.mer(["run", "cat", "x", "--json"]).object();
    let journal = env.path("data/mer/db.journal");
    let text = fs::read_to_string(&segments(&journal)[0]).expect("text");
    let head: Value = serde_json::from_str(&text.lines().next().expect("a head")[9..]).expect("an object");
    leave_start(&journal, head["databaseUid"].as_str().expect("a uid"), &sample);
    for _ in 0..2 {
        let rows = env.rows();
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(rows[0]["status"], "succeeded");
        is_lost(&rows[1]);
    }
    let shown = env.mer(["log", "show", "00000000-0000-7000-8000-000000000001"]).ok();
    assert!(
        shown.contains("lost")
            && shown.contains("no end of this run was recorded: `mer` was killed, or could not write it down"),
        "{shown}"
    );
}

#[test]
fn a_start_that_was_left_behind_is_lost_on_a_server_too() {
    for url in shared_databases() {
        let place = OnServer::migrated(url.clone());
        let sample = place.mer(["run", "echo", "x", "--json"]).object();
        leave_start(&place.env.path("data/mer/journal"), &database_uid(&url), &sample);
        for _ in 0..2 {
            let rows = place.mer(["log", "list", "--json"]).objects();
            assert_eq!(rows.len(), 2, "{rows:?}");
            is_lost(&rows[1]);
        }
    }
}

/// Returns the only run in the log of this machine, if there is one.
fn seen(place: &OnServer) -> Option<Value> {
    let rows = place.mer(["log", "list", "--json"]).objects();
    assert!(rows.len() < 2, "{rows:?}");
    rows.into_iter().next()
}

fn status(row: &Value) -> String {
    row["status"].as_str().expect("a status").to_owned()
}

/// A run without a heartbeat for 90 s; its row's clock is set back instead of waiting.
#[test]
fn a_run_without_a_heartbeat_is_lost_elsewhere_until_its_end_comes() {
    for url in shared_databases() {
        let (here, elsewhere, live) = running(&url);
        wait_until("the run is seen", || seen(&elsewhere).filter(|row| status(row) == "started"));
        pass_time(&url);
        let row = seen(&elsewhere).expect("a row");
        assert_eq!(status(&row), "lost", "{url}");
        let host = row["caller"].as_str().expect("a caller").split('@').next_back().expect("a host").to_owned();
        assert_eq!(row["error"], format!("nothing was heard any more of `{host}`, where it ran"));
        // The run was only cut off from the server.
        here.env.file("work/go", "");
        live.finish().ended(0);
        assert_eq!(seen(&elsewhere).as_ref().map(status).as_deref(), Some("succeeded"), "{url}");
    }
}

#[test]
fn a_run_whose_mer_was_killed_is_lost_as_seen_from_another_machine() {
    for url in shared_databases() {
        let (here, elsewhere, live) = running(&url);
        let status = |place: &OnServer| seen(place).as_ref().map(status);
        wait_until("the run is seen", || status(&elsewhere));
        live.signal(Signal::KILL);
        assert_eq!(live.finish().code, None, "killed");
        assert_eq!(status(&elsewhere).as_deref(), Some("started"), "it cannot be known yet: {url}");
        pass_time(&url);
        assert_eq!(status(&elsewhere).as_deref(), Some("lost"), "{url}");
        assert_eq!(status(&here).as_deref(), Some("lost"), "its own machine agrees: {url}");
    }
}

/// Starts a run that lasts, on the first machine; the second one has the same database.
fn running(url: &str) -> (OnServer, OnServer, Live) {
    let here = OnServer::with_models(url.to_owned());
    let live = Live::start(here.with(["run", "waiting", "x"]), Stdio::null());
    live.wait_stdout("first\n");
    (here, OnServer::new(url.to_owned()), live)
}

/// Sets the heartbeats of a database's runs back by 90 s.
fn pass_time(url: &str) {
    sql(
        url,
        r#"UPDATE "ModelAccess" SET "aliveUntil" = "aliveUntil" - interval '90 s' WHERE "status" = 'started'"#,
        "UPDATE ModelAccess SET aliveUntil = aliveUntil - 90s WHERE status = 'started';",
    );
}
