//! `mer log prune`.

use std::{path::Path, process::Stdio};

use mer_core::Status;
use mer_testkit::started;
use rustix::process::Signal;
use uuid::Uuid;

use super::{everywhere, hourly};
use crate::support::{Live, OnServer, database_name, moment, record, wait_until};

#[track_caller]
fn count(place: &OnServer) -> u64 {
    place.mer_line("log stats --kind all --json").object()["count"].as_u64().expect("a number")
}

#[test]
fn what_is_old_and_over_goes_and_a_dry_run_says_how_much() {
    let mut all = hourly(60);
    all[3] = started(all[3].request_uid, 1, "iris", all[3].start_access);
    for place in everywhere(&all) {
        let dry = place.mer_line("log prune --older-than 2026-05-02 --utc --dry-run --json").object();
        let told = r#"{"dryRun":true,"newest":"2026-05-01T23:00:00.000000Z","oldest":"2026-05-01T00:00:00.000000Z","rows":23}"#;
        assert_eq!(dry.to_string(), told, "{}", place.url);
        assert_eq!(count(&place), 60);
        let text = place.mer_line("log prune --older-than 2026-05-02 --utc --dry-run").ended(0);
        let told = "would delete 23 accesses, begun from 2026-05-01T00:00:00Z to 2026-05-01T23:00:00Z\n";
        assert_eq!((text.stdout.as_str(), text.stderr.as_str()), ("", told));
        assert_eq!(place.mer_line("log prune --older-than 1d --keep 60 --json").object()["rows"], 0);
        let text = place.mer_line("log prune --older-than 2026-05-02 --utc").ended(0);
        assert_eq!(text.stderr, told.replace("would delete", "deleted"), "{}", place.url);
        assert_eq!(count(&place), 37);
        let rows = place.mer_line("log list --json --until 2026-05-02 --utc").objects();
        assert!(rows.len() == 1 && rows[0]["status"] == "started", "{}: {rows:?}", place.url);
        assert_eq!(place.mer_line("log prune --older-than 1d --keep 10 --json").object()["rows"], 26);
        assert_eq!(count(&place), 11);
        assert_eq!(place.mer_line("log prune --older-than 1d --json").object()["rows"], 10);
        place.mer_line("log prune --older-than 1d --quiet").ok();
    }
}

#[test]
fn a_prune_without_a_time_or_of_the_future_is_64() {
    let [place, ..] = &everywhere(&hourly(1))[..] else { return };
    for wrong in [
        "log prune",
        "log prune --older-than tomorrow",
        "log prune --older-than 90",
        "log prune --older-than 20260504",
        "log prune --older-than 9999-01-01",
        "log prune --older-than 1d --keep x",
        "log prune --older-than 1d --keep -1",
        "log prune --older-than none",
    ] {
        place.mer_line(wrong).failed(64);
    }
    assert_eq!(count(place), 1);
}

#[test]
fn the_driver_may_not_prune_and_the_user_of_migrations_may() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    record(&place.env, &place.url, &hourly(3));
    server.sql(
        &database,
        r#"CREATE ROLE prune_driver LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO prune_driver;
        GRANT INSERT, UPDATE ON "ModelAccess" TO prune_driver"#,
    );
    let admin = place.url.split("://").nth(1).and_then(|rest| rest.split('@').next()).expect("a user").to_owned();
    let url = place.url.replace(&format!("{admin}@"), "");
    let as_users = |migrations: &str| {
        let mut command = place.env.with(["log", "prune", "--older-than", "1d", "--json"]);
        command.env("DB_CONNECTION_URL", &url).env("DRIVER_DB_USERNAME", "prune_driver");
        command.env("MIGRATIONS_DB_USERNAME", migrations);
        crate::support::run(command)
    };
    assert_eq!(database_name(&url), database);
    let told = as_users("prune_driver").ended(77).stderr;
    assert!(told.contains("permission denied"), "{told}");
    assert_eq!(count(&place), 3);
    assert_eq!(as_users(&admin).object()["rows"], 3);
}

#[test]
fn prunes_at_once_and_one_that_is_killed_delete_each_access_once_and_nothing_else() {
    const MANY: u32 = 1250;
    let mut all = hourly(MANY);
    let open = started(Uuid::from_u128(1), 1, "open", all[0].start_access);
    all.push(open);
    let args = ["log", "prune", "--older-than", "2026-06-20", "--utc", "--json"];
    let old = (0..MANY).filter(|n| n / 24 < 50).count() as u64;
    for place in everywhere(&all) {
        let killed = Live::start(place.with(args), Stdio::null());
        std::thread::sleep(moment(std::time::Duration::from_secs(1)));
        killed.signal(Signal::KILL);
        killed.finish();
        // A server ends the killed step a little later.
        let left = count(&place);
        assert!(left >= u64::from(MANY) + 1 - old, "{}: {left}", place.url);
        let both = [(); 2].map(|()| Live::start(place.with(args), Stdio::null()));
        for prune in both {
            prune.finish().ended(0);
        }
        // Rows of the step that was killed are held until the server has noticed.
        wait_until("a prune that finds nothing", || (place.mer(args).object()["rows"] == 0).then_some(()));
        assert_eq!(count(&place), u64::from(MANY) + 1 - old, "{}", place.url);
        let open = place.mer_line("log list --json --model open").objects();
        assert_eq!(open[0]["status"], Status::Started.name(), "{}", place.url);
    }
}

#[test]
fn the_folder_of_an_embedded_database_shrinks() {
    /// The sizes of all files below a folder.
    fn sizes(folder: &Path) -> Vec<u64> {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        entries
            .flat_map(|entry| match entry.file_type().expect("a type").is_dir() {
                true => sizes(&entry.path()),
                false => vec![entry.metadata().expect("a file").len()],
            })
            .collect()
    }
    let place = OnServer::embedded();
    place.mer(["migrate", "--quiet"]).ok();
    let mut all = hourly(2000);
    for (n, access) in (0..).zip(&mut all) {
        access.stderr_tail = mer_testkit::noise(n, 3000).iter().map(|byte| char::from(b'a' + byte % 16)).collect();
    }
    record(&place.env, &place.url, &all);
    let folder = place.env.path("data/mer/db");
    let before = sizes(&folder);
    place.mer_line("log prune --older-than 1d --quiet").ok();
    let after = sizes(&folder);
    assert!(after.iter().sum::<u64>() * 2 < before.iter().sum(), "{before:?} before, {after:?} after");
    assert_eq!(count(&place), 0);
}
