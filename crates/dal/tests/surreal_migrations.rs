//! Migrating a SurrealDB server: each script once, however many processes migrate.
#![cfg(feature = "surreal-server")]
#![allow(clippy::unwrap_used, reason = "test code: it is to panic")]

mod common;

use std::{process::Stdio, time::Duration};

use mer_core::{Classified as _, FailureKind};
use mer_dal::{DalError, Database, DbUrl, ScriptRun, Session, Settings};
use mer_migrations::{Policy, ensure_current, status, up};
use mer_testkit::surreal_server::{Server, shared};

use common::{Fresh, another_process, argument, on_server};

async fn fresh(server: &Server) -> (Fresh, Session) {
    let fresh = on_server(&server.url(&server.database()));
    let session = fresh.session().await.unwrap();
    (fresh, session)
}

fn named(fresh: &Fresh, application: &str, wait: Duration) -> Database {
    let mut settings = fresh.settings().clone();
    settings.server.application = Some(application.to_owned());
    settings.wait = wait;
    Database::new(settings)
}

#[tokio::test]
async fn a_dry_look_writes_nothing_and_a_migration_is_done_once() {
    let Some(server) = shared() else { return };
    let (fresh, session) = fresh(server).await;
    let pending = status(&session).await.unwrap().pending().count();
    assert!(pending >= 6);
    ensure_current(&session, Policy::Check).await.unwrap_err();
    assert_eq!(session.applied().await.unwrap(), None);
    let name = fresh.settings().url.to_string();
    let tables = |name: &str| server.sql(name.rsplit('/').next().unwrap(), "INFO FOR DB;")[0]["tables"].clone();
    assert_eq!(tables(&name).as_object().unwrap().len(), 0);
    assert_eq!(up(&session).await.unwrap().applied.len(), pending);
    assert_eq!(up(&session).await.unwrap().applied.len(), 0);
    ensure_current(&session, Policy::Check).await.unwrap();
}

/// Twenty processes migrate an empty database: all succeed, and each script has one row.
#[test]
fn twenty_processes_migrate_an_empty_database_once() {
    const NAME: &str = "twenty_processes_migrate_an_empty_database_once";
    if let Some(url) = argument() {
        let settings = Settings {
            // Twenty processes sign in at once, on a server that was built without optimisation.
            wait: Duration::from_secs(120),
            ..Settings::new(DbUrl::parse(url.to_str().unwrap(), std::path::Path::new("/nowhere")).unwrap())
        };
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
    let rows = server.sql(&database, "SELECT VALUE number FROM Migrations; SELECT * FROM MigrationsLock;");
    let scripts = mer_migrations::embedded(mer_dal::Dialect::Surreal).len();
    assert_eq!(rows[0].as_array().unwrap().len(), scripts);
    assert_eq!(rows[1].as_array().unwrap().len(), 0, "everybody gave the lock back");
}

#[tokio::test]
async fn whoever_waits_for_the_lock_learns_who_has_it() {
    let Some(server) = shared() else { return };
    let (fresh, _) = fresh(server).await;
    let first = named(&fresh, "mer migrate, ada@desk", Duration::from_secs(30)).session().await.unwrap();
    let mut lock = first.lock_migrations().await.unwrap();
    lock.check().await.unwrap();
    // Connected already, so that only the lock is waited for.
    let second = named(&fresh, "mer", Duration::from_secs(2)).session().await.unwrap();
    let error = second.lock_migrations().await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Busy);
    assert!(matches!(&error, DalError::Migrating { holder, .. } if holder.contains("ada@desk")), "{error:?}");
    lock.release().await;
    second.lock_migrations().await.unwrap().release().await;
}

/// A lease that has expired can be taken by another process, and its former holder gets an error.
#[tokio::test]
async fn a_lease_is_renewed_and_one_that_ran_out_is_lost() {
    let Some(server) = shared() else { return };
    let (fresh, session) = fresh(server).await;
    let name = fresh.settings().url.to_string();
    let name = name.rsplit('/').next().unwrap();
    let mut lock = session.lock_migrations().await.unwrap();
    server.sql(name, "UPDATE MigrationsLock:this SET expires = time::now() + 1s;");
    lock.check().await.unwrap();
    let left = &server.sql(name, "RETURN (SELECT VALUE expires FROM MigrationsLock:this)[0] - time::now() > 10s;")[0];
    assert_eq!(*left, true);
    server.sql(name, "UPDATE MigrationsLock:this SET expires = time::now() - 1s;");
    assert!(matches!(lock.check().await.unwrap_err(), DalError::Lost { .. }));
    let mut other = session.lock_migrations().await.unwrap();
    // Its release does not affect the new holder.
    lock.release().await;
    other.check().await.unwrap();
    other.release().await;
}

/// As after a kill of the process that sent the script: the server goes on with the script, the lease expires, and
/// another process holds the lock.
#[tokio::test]
async fn a_script_that_outlives_its_lease_is_not_kept() {
    let Some(server) = shared() else { return };
    let (fresh, session) = fresh(server).await;
    session.create_migrations().await.unwrap();
    let name = fresh.settings().url.to_string();
    let name = name.rsplit('/').next().unwrap();
    let mut lock = session.lock_migrations().await.unwrap();
    let slow = script("CREATE half:1;\nSLEEP 10s;");
    let again = script("CREATE half:1;");
    let running = async { session.apply_script_under(&mut lock, &slow).await };
    let taking = async {
        server.sql(name, "UPDATE MigrationsLock:this SET expires = time::now() - 1s;");
        let second = named(&fresh, "mer", Duration::from_secs(30)).session().await.unwrap();
        let lock = second.lock_migrations().await.unwrap();
        (second, lock)
    };
    let (ran, (second, mut other)) = tokio::join!(running, taking);
    let error = ran.unwrap_err();
    assert!(matches!(error, DalError::Script { .. } | DalError::ScriptRow { .. }), "{error:?}");
    assert_eq!(session.applied().await.unwrap(), Some(Vec::new()));
    second.apply_script_under(&mut other, &again).await.unwrap();
    other.release().await;
    assert_eq!(second.applied().await.unwrap().unwrap().len(), 1);
}

fn script(sql: &str) -> ScriptRun {
    ScriptRun {
        number: 9_000,
        name: "Trial".to_owned(),
        file: "9000-Trial.sql".to_owned(),
        checksum: "0".repeat(64),
        sql: sql.to_owned(),
        mer_version: "0.0.0".to_owned(),
        own: false,
    }
}

#[tokio::test]
async fn an_error_names_line_statement_and_the_servers_own_words() {
    let Some(server) = shared() else { return };
    let (_fresh, session) = fresh(server).await;
    session.create_migrations().await.unwrap();
    for (sql, line, words) in [
        ("DEFINE TABLE a;\n\nDEFINE TABEL b;\n", 3, "TABEL"),
        ("-- ü\nDEFINE TABLE a;\nCREATE a:1;\nCREATE a:1;\nCREATE a:2;", 4, "already exists"),
    ] {
        let DalError::Script { failure, source, .. } = session.apply_script(&script(sql)).await.unwrap_err() else {
            panic!("{sql}")
        };
        assert_eq!(failure.line, Some(line), "{source}");
        assert!(source.to_string().contains(words), "{source}");
    }
    session.apply_script(&script("DEFINE TABLE a;")).await.unwrap();
    // The same number twice fails, and nothing is kept.
    session.apply_script(&script("DEFINE TABLE c;")).await.unwrap_err();
}
