//! A migration that ends in the middle of a script, on PostgreSQL: no statement keeps running after the lock is free.

use std::{process::Stdio, time::Duration};

use mer_testkit::{postgres, processes};
use rustix::process::Signal;

use crate::support::{BOUND, Live, OnServer};

/// Returns the server's pids that run the sleeping script.
const SLEEPERS: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep(600)%' AND state = 'active'";

/// Returns the server's pids that hold the migration lock.
const HOLDERS: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND classid = 5064018 AND objid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Counts, in one statement, the sleeping scripts without the lock.
fn sleepers_without_the_lock(server: &postgres::Server, database: &str) -> String {
    server.sql(database, &format!("SELECT count(*) FROM ({SLEEPERS}) AS s WHERE pid NOT IN ({HOLDERS})"))
}

/// Starts a migration with a script that sleeps, and waits until it runs.
fn sleeping(place: &OnServer, server: &postgres::Server, database: &str, script: &str) -> Live {
    place.env.file("work/ours/1000-Sleeps.sql", script);
    let live = Live::start(place.with(["migrate", "--sql-dir", "ours"]), Stdio::null());
    processes::until("the script sleeps", BOUND, || !server.sql(database, SLEEPERS).is_empty());
    live
}

const SCRIPT: &str = "LOCK TABLE \"ModelAccess\";\nCREATE TABLE half ();\nSELECT pg_sleep(600);\n";

/// The script always runs under the lock and ends soon after the migrator; the next migrator succeeds.
#[test]
fn a_script_ends_with_the_migrator_that_sent_it() {
    let Some(server) = postgres::shared() else { return };
    for (signal, code) in
        [(Signal::INT, Some(130)), (Signal::TERM, Some(143)), (Signal::HUP, Some(129)), (Signal::KILL, None)]
    {
        let database = server.database();
        let place = OnServer::migrated(server.url(&database));
        let live = sleeping(&place, server, &database, SCRIPT);
        assert_eq!(sleepers_without_the_lock(server, &database), "0", "the lock is the script's own");
        live.signal(signal);
        let ran = live.finish();
        assert_eq!(ran.code, code, "{ran:?}");
        if code.is_some() {
            // The migrator waits for it before it exits.
            assert_eq!(server.sql(&database, SLEEPERS), "", "{signal:?}");
        }
        processes::until("the script has ended", BOUND, || {
            assert_eq!(sleepers_without_the_lock(server, &database), "0", "{signal:?}");
            server.sql(&database, SLEEPERS).is_empty()
        });
        place.env.file("work/ours/1000-Sleeps.sql", "CREATE TABLE half ();");
        let rows = place.mer(["migrate", "--sql-dir", "ours", "--json"]).objects();
        assert_eq!(rows.len(), 1, "{signal:?}: nothing of the first try was kept");
    }
}

/// An index of a killed migrator is not touched until the server has stopped building it.
#[test]
fn an_index_whose_builder_was_killed_is_built_anew_by_the_next() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    // The build waits for this transaction, which has read the table.
    let mut reader = server.open(&database);
    reader.run("BEGIN; SELECT count(*) FROM \"ModelAccess\"; LOCK TABLE \"ModelAccess\" IN ROW EXCLUSIVE MODE;");
    let script =
        "-- mer: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS ours ON \"ModelAccess\" (\"caller\");\n";
    place.env.file("work/ours/1000-Index.sql", script);
    let building =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND query LIKE '%CONCURRENTLY%ours%' AND wait_event_type = 'Lock'";
    let live = Live::start(place.with(["migrate", "--sql-dir", "ours"]), Stdio::null());
    processes::until("the index is being built", BOUND, || server.sql(&database, building) == "1");
    live.signal(Signal::KILL);
    live.finish();
    // The server gives the build up, and does not finish it: the transaction is still open.
    processes::until("the server has given it up", BOUND, || server.sql(&database, building) == "0");
    let next = Live::start(place.with(["migrate", "--sql-dir", "ours"]), Stdio::null());
    reader.run("COMMIT;");
    next.finish().ended(0);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ours'::regclass";
    assert_eq!(server.sql(&database, valid), "t");
}

/// An index that another session is building is waited for, and not removed.
#[test]
fn an_index_that_another_session_builds_is_left_to_it() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    let mut reader = server.open(&database);
    reader.run("BEGIN; LOCK TABLE \"ModelAccess\" IN ROW EXCLUSIVE MODE;");
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ours')";
    std::thread::scope(|scope| {
        let build = "CREATE INDEX CONCURRENTLY ours ON \"ModelAccess\" (\"caller\")";
        let builder = scope.spawn(|| server.sql(&database, build));
        processes::until("the index is being built", BOUND, || server.sql(&database, valid) == "f");
        let before = server.sql(&database, "SELECT 'ours'::regclass::oid");
        let script =
            "-- mer: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS ours ON \"ModelAccess\" (\"caller\");\n";
        place.env.file("work/ours/1000-Index.sql", script);
        let told = place.mer(["migrate", "--sql-dir", "ours", "--db-wait", "1s"]).failed(75);
        assert!(told.contains("holds a lock"), "{told}");
        reader.run("COMMIT;");
        builder.join().expect("built");
        place.mer(["migrate", "--sql-dir", "ours", "--quiet"]).ended(0);
        assert_eq!(server.sql(&database, "SELECT 'ours'::regclass::oid"), before);
        assert_eq!(server.sql(&database, valid), "t");
    });
}

/// Waiting for a running script is bounded, and the error names the process that runs it.
#[test]
fn a_migrator_behind_a_running_script_names_its_process() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    let live = sleeping(&place, server, &database, SCRIPT);
    let told = place.mer(["migrate", "--sql-dir", "ours", "--db-wait", "300ms"]).failed(75);
    assert!(told.contains("is being migrated by the server's process") && told.contains("mer, "), "{told}");
    // Reading the locked table is bounded by `--db-wait`, and the error names the holder.
    let begun = std::time::Instant::now();
    let told = place.mer(["log", "list", "--db-wait", "2s"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{told:?}");
    let told = told.failed(75);
    assert!(told.contains("could not list the accesses: the server's process ") && told.contains("(mer, "), "{told}");
    live.signal(Signal::TERM);
    live.finish().ended(143);
}
