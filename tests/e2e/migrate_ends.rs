//! A migration that ends in the middle of a script, on PostgreSQL: nothing of it runs on with the lock free.

use std::{process::Stdio, time::Duration};

use mer_testkit::{postgres, processes};
use rustix::process::Signal;

use crate::support::{BOUND, Live, OnServer};

/// The pids on the server that run a script of ours that sleeps.
const SLEEPERS: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep(600)%' AND state = 'active'";

/// The pids on the server that have the lock of migrations.
const HOLDERS: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND classid = 5064018 AND objid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// In one look, so that nothing happens between two: how many sleep without the lock.
fn sleepers_without_the_lock(server: &postgres::Server, database: &str) -> String {
    server.sql(database, &format!("SELECT count(*) FROM ({SLEEPERS}) AS s WHERE pid NOT IN ({HOLDERS})"))
}

/// Starts a migration whose own script sleeps, and waits until it does.
fn sleeping(place: &OnServer, server: &postgres::Server, database: &str, script: &str) -> Live {
    place.env.file("work/ours/1000-Sleeps.sql", script);
    let live = Live::start(place.with(["migrate", "--sql-dir", "ours"]), Stdio::null());
    processes::until("the script sleeps", BOUND, || !server.sql(database, SLEEPERS).is_empty());
    live
}

const SCRIPT: &str = "LOCK TABLE \"ModelAccess\";\nCREATE TABLE half ();\nSELECT pg_sleep(600);\n";

/// However it ends: the script runs under the lock, and soon not any more; the next migrator goes on in good order.
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
            // Waited for before it said that it has ended.
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

/// An index that a killed migrator was building is not touched before the server has given it up.
#[test]
fn an_index_whose_builder_was_killed_is_built_anew_by_the_next() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    // Building waits for this transaction, which has the table in its sight.
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
    // Not when it is done, which would be when the transaction is over.
    processes::until("the server has given it up", BOUND, || server.sql(&database, building) == "0");
    let next = Live::start(place.with(["migrate", "--sql-dir", "ours"]), Stdio::null());
    reader.run("COMMIT;");
    next.finish().ended(0);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ours'::regclass";
    assert_eq!(server.sql(&database, valid), "t");
}

/// An index that another session builds is waited for, and not removed under its hands.
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

/// What waits behind a running script has a bound, and names the process that runs it.
#[test]
fn a_migrator_behind_a_running_script_names_its_process() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    let live = sleeping(&place, server, &database, SCRIPT);
    let told = place.mer(["migrate", "--sql-dir", "ours", "--db-wait", "300ms"]).failed(75);
    assert!(told.contains("is being migrated by the server's process") && told.contains("mer, "), "{told}");
    // What reads the locked table waits no longer than it was told, and learns whose lock it is.
    let begun = std::time::Instant::now();
    let told = place.mer(["log", "list", "--db-wait", "2s"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{told:?}");
    let told = told.failed(75);
    assert!(told.contains("could not list the accesses: the server's process ") && told.contains("(mer, "), "{told}");
    live.signal(Signal::TERM);
    live.finish().ended(143);
}
