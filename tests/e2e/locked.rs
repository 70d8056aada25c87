//! Waits for locks on a PostgreSQL server: bounded by `--db-wait`, exit code 75, with the name of the holder.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use mer_testkit::processes;

use crate::support::{BOUND, Live, OnServer, run};

/// A table that another session has locked, for reading and for writing.
#[test]
fn a_lock_of_another_session_is_waited_for_as_long_as_db_wait_says() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    place.env.file("work/m.toml", "[models.new]\ninferenceCommand = ['cat']\n");
    let mut locker = server.open(&database);
    locker
        .run("SET application_name = 'vacuum of ada'; BEGIN; LOCK TABLE \"AvailableModels\", \"ModelWeightUploads\";");
    for args in [
        &["model", "list"][..],
        &["apply", "m.toml", "--allow-changes"],
        &["export"],
        &["weights", "list", "echo"],
        &["run", "echo", "x"],
    ] {
        let mut command = place.with_args(args);
        command.args(["--db-wait", "2s"]);
        let begun = Instant::now();
        let told = run(command).failed(75);
        assert!(begun.elapsed() < Duration::from_secs(20), "{args:?}: {:?}", begun.elapsed());
        assert!(told.contains("(vacuum of ada, user admin") && told.contains("waited 2.0 s"), "{args:?}: {told}");
        assert!(told.contains("--db-wait"), "{told}");
    }
    // A long enough wait succeeds.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| place.mer(["model", "list", "--db-wait", "60s"]));
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        processes::until("it waits", BOUND, || server.sql(&database, waits) == "1");
        locker.run("ROLLBACK;");
        waiting.join().expect("an end").ended(0);
    });
}

/// A user's migration script has the same bound; the error names what it waited for, and its line.
#[test]
fn a_script_that_waits_for_a_lock_is_busy_and_not_wrong() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    place.env.file("work/ours/1000-Ours.sql", "SELECT 1;\nALTER TABLE \"ModelAccess\" ADD COLUMN ours text;\n");
    let mut locker = server.open(&database);
    locker.run("SET application_name = 'report of ada'; BEGIN; LOCK TABLE \"ModelAccess\" IN ACCESS SHARE MODE;");
    let told = place.mer(["migrate", "--sql-dir", "ours", "--db-wait", "1s"]).failed(75);
    assert!(told.contains("`1000-Ours.sql` failed at line 2"), "{told}");
    assert!(told.contains("(report of ada, user admin") && told.contains("lock timeout"), "{told}");
    locker.run("COMMIT;");
    place.mer(["migrate", "--sql-dir", "ours", "--quiet"]).ended(0);
}

/// All connections are in use, of this user or of the server: a temporary condition.
#[test]
fn a_server_without_a_free_connection_is_busy() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    server.sql("postgres", "DROP ROLE IF EXISTS crowded; CREATE ROLE crowded LOGIN CONNECTION LIMIT 0");
    let crowded = server.url_of("crowded", &database);
    let told = place.env.mer_on(&crowded, ["model", "list", "--db-wait", "500ms"]).failed(75);
    assert!(told.contains("accepts no connections now") && told.contains("too many connections"), "{told}");
    // It is what `migrate wait` waits for.
    let mut command = place.with(["migrate", "wait", "--timeout", "60s"]);
    command.env("DB_CONNECTION_URL", crowded).env("RUST_LOG", "debug");
    let waiting = Live::start(command, Stdio::null());
    waiting.wait_stderr("trying again");
    server.sql("postgres", "ALTER ROLE crowded CONNECTION LIMIT -1");
    waiting.finish().ended(0);
}
