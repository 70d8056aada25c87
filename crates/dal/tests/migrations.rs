//! Migrating a PostgreSQL server: each script once, however many processes migrate, and an error for every failure.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "test code: it is to panic")]

mod common;

use std::{process::Stdio, time::Duration};

use mer_core::{Classified as _, FailureKind};
use mer_dal::{DalError, Database, DbUrl, ScriptRun, Session, Settings};
use mer_migrations::{Policy, ensure_current, status, up};
use mer_testkit::postgres::{Server, shared};

use common::{Fresh, another_process, argument, on_server};

fn script(number: u32, sql: &str) -> ScriptRun {
    ScriptRun {
        number,
        name: "Trial".to_owned(),
        file: format!("{number}-Trial.sql"),
        checksum: "0".repeat(64),
        sql: sql.to_owned(),
        mer_version: "0.0.0".to_owned(),
        own: false,
    }
}

async fn fresh(server: &Server) -> (Fresh, Session) {
    let fresh = on_server(&server.url(&server.database()));
    let session = fresh.session().await.unwrap();
    (fresh, session)
}

async fn failure(session: &Session, sql: &str) -> (Option<usize>, String, String) {
    session.create_migrations().await.unwrap();
    match session.apply_script(&script(9_000, sql)).await.unwrap_err() {
        DalError::Script { failure, source, .. } => {
            (failure.line, failure.statement.unwrap_or_default(), source.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_dry_look_writes_nothing_and_a_migration_is_done_once() {
    let Some(server) = shared() else { return };
    let (_fresh, session) = fresh(server).await;
    let pending = status(&session).await.unwrap().pending().count();
    assert!(pending >= 6);
    ensure_current(&session, Policy::Check).await.unwrap_err();
    assert_eq!(session.applied().await.unwrap(), None);
    assert_eq!(up(&session).await.unwrap().applied.len(), pending);
    assert_eq!(up(&session).await.unwrap().applied.len(), 0);
    ensure_current(&session, Policy::Check).await.unwrap();
}

/// Twenty processes migrate an empty database: all succeed, and each script has one row.
#[test]
fn twenty_processes_migrate_an_empty_database_once() {
    const NAME: &str = "twenty_processes_migrate_an_empty_database_once";
    if let Some(url) = argument() {
        let settings = Settings::new(DbUrl::parse(url.to_str().unwrap(), std::path::Path::new("/nowhere")).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            up(&Database::new(settings).session().await.unwrap()).await.unwrap();
        });
    }
    let Some(server) = shared() else { return };
    let database = server.database();
    let url = server.url(&database);
    let start = || {
        let mut command = another_process(NAME, url.as_ref());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..20).map(|_| start()).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let rows = server.sql(&database, "SELECT count(*), count(DISTINCT \"number\") FROM \"Migrations\"");
    let scripts = mer_migrations::embedded(mer_dal::Dialect::Postgres).len();
    assert_eq!(rows, format!("{scripts}|{scripts}"));
}

#[tokio::test]
async fn whoever_waits_for_the_lock_learns_who_has_it() {
    let Some(server) = shared() else { return };
    let (fresh, _) = fresh(server).await;
    let named = |application: &str, wait| {
        let mut settings = fresh.settings().clone();
        settings.server.application = Some(application.to_owned());
        settings.wait = wait;
        Database::new(settings)
    };
    let first = named("mer migrate, ada@desk", Duration::from_secs(30)).session().await.unwrap();
    let second = named("mer", Duration::from_secs(2)).session().await.unwrap();
    let mut lock = first.lock_migrations().await.unwrap();
    lock.check().await.unwrap();
    let error = second.lock_migrations().await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Busy);
    assert!(matches!(&error, DalError::Migrating { holder, .. } if holder.contains("ada@desk")), "{error:?}");
    lock.release().await;
    let mut lock = second.lock_migrations().await.unwrap();
    // A lock whose connection was ended is no longer held, and its holder gets an error.
    let name = fresh.settings().url.to_string();
    server.end_connections(name.rsplit('/').next().unwrap());
    assert!(matches!(lock.check().await.unwrap_err(), DalError::Lost { .. }));
}

#[tokio::test]
async fn an_error_names_line_statement_and_the_servers_own_words() {
    let Some(server) = shared() else { return };
    let (_fresh, session) = fresh(server).await;
    let (line, statement, words) = failure(&session, "CREATE TABLE a ();\n\nCREATE TABEL b ();\n").await;
    assert_eq!((line, statement.as_str()), (Some(3), "CREATE TABEL b ()"), "{words}");
    assert!(words.contains("syntax error"), "{words}");
    // Fails while it runs: the server gives no position, only the number of completed statements does.
    let running =
        "-- ü\nCREATE TABLE a (n int PRIMARY KEY);\nINSERT INTO a\n  VALUES (1);\nINSERT INTO a VALUES (1);\nSELECT 1;";
    let (line, statement, words) = failure(&session, running).await;
    assert_eq!((line, statement.as_str()), (Some(5), "INSERT INTO a VALUES (1)"), "{words}");
    assert!(words.contains("duplicate key") && words.contains("(n)=(1)"), "{words}");
    let deep = "SELECT 'ü';\nSELECT\n  1,\n  missing;";
    let (line, statement, words) = failure(&session, deep).await;
    assert_eq!((line, statement.as_str()), (Some(4), "SELECT 1, missing"), "{words}");
    // Nothing of any of them is kept.
    session.apply_script(&script(9_000, "CREATE TABLE a (); CREATE TABLE b ();")).await.unwrap();
    // The same number twice fails, and nothing is kept.
    session.apply_script(&script(9_000, "CREATE TABLE c ();")).await.unwrap_err();
    session.apply_script(&script(9_001, "CREATE TABLE c ();")).await.unwrap();
}

/// An index that is built while transactions run: outside of a transaction, and under the migration lock.
#[tokio::test]
async fn a_script_may_opt_out_of_its_transaction() {
    let Some(server) = shared() else { return };
    let (fresh, session) = fresh(server).await;
    up(&session).await.unwrap();
    let index = "CREATE INDEX CONCURRENTLY IF NOT EXISTS trial ON \"ModelAccess\" (\"server\");";
    let mut lock = session.lock_migrations().await.unwrap();
    // Other processes wait for the lock meanwhile, and must not hold up the index.
    let mut settings = fresh.settings().clone();
    settings.wait = Duration::from_secs(20);
    let waiting = tokio::spawn(async move {
        let session = Database::new(settings).session().await.unwrap();
        session.lock_migrations().await.unwrap().release().await;
    });
    let error = session.apply_script_under(&mut lock, &script(9_000, index)).await.unwrap_err();
    assert!(matches!(error, DalError::Script { .. }), "in a transaction it cannot be made: {error:?}");
    let outside = script(9_000, &format!("-- mer: no-transaction\n{index}"));
    let applied = session.apply_script_under(&mut lock, &outside).await.unwrap();
    // The lock is still held, although the script tried to release it.
    lock.check().await.unwrap();
    let gives_back = script(9_001, "SELECT pg_advisory_unlock_all();");
    session.apply_script_under(&mut lock, &gives_back).await.unwrap();
    assert!(matches!(lock.check().await.unwrap_err(), DalError::Lost { .. }));
    assert_eq!(applied.number, 9_000);
    lock.release().await;
    waiting.await.unwrap();
}

/// A server that dies in the middle of a script keeps nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_killed_in_the_middle_left_nothing() {
    let Some(mut server) = Server::start() else { return };
    let (fresh, session) = fresh(&server).await;
    session.create_migrations().await.unwrap();
    let run = tokio::spawn({
        let database = fresh.database.clone();
        async move {
            let session = database.session().await.unwrap();
            session.apply_script(&script(9_000, "CREATE TABLE half ();\nSELECT pg_sleep(60);")).await
        }
    });
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()";
    mer_testkit::processes::until("the script runs", Duration::from_secs(20), || {
        server.sql("postgres", running) == "1"
    });
    server.kill();
    let error = run.await.unwrap().unwrap_err();
    assert!(matches!(error, DalError::Lost { .. }), "{error:?}");
    server.start_again();
    assert_eq!(session.applied().await.unwrap(), Some(Vec::new()));
    session.apply_script(&script(9_000, "CREATE TABLE half ();")).await.unwrap();
}

/// The scripts of both dialects make the same database, as far as a store can tell.
#[cfg(feature = "embedded")]
#[tokio::test]
async fn both_dialects_make_the_same_database() {
    let Some(server) = shared() else { return };
    let (_fresh, postgres) = fresh(server).await;
    up(&postgres).await.unwrap();
    let memory = common::memory().await;
    let surreal = memory.session().await.unwrap();
    assert_eq!(postgres.registry().await.unwrap(), surreal.registry().await.unwrap());
    let scripts = async |session: &Session| -> Vec<(u32, String)> {
        session.applied().await.unwrap().unwrap().into_iter().map(|script| (script.number, script.name)).collect()
    };
    assert_eq!(scripts(&postgres).await, scripts(&surreal).await);
}
