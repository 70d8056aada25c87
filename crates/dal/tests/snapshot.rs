//! The registry's snapshot is valid exactly as long as the database is not written to.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "test code: it is to panic")]

mod common;

use std::{fs, path::PathBuf, pin::pin, time::Duration};

use common::{embedded, empty, engine_of, migrate, migrated};
use mer_core::Registry;
use mer_dal::{Database, Snapshot, SnapshotOrSession};
use tokio::time::timeout;

fn file(database: &Database) -> PathBuf {
    engine_of(database).with_extension("snapshot")
}

async fn content(database: &Database) -> Snapshot {
    let session = database.session().await.unwrap();
    let models = session.models().await.unwrap();
    let mut versions = Vec::new();
    for model in &models {
        versions.extend(session.versions(model).await.unwrap());
    }
    let snapshot = Snapshot {
        database_uid: session.database_uid().await.unwrap(),
        schema_version: session.applied().await.unwrap().unwrap().last().unwrap().number,
        servers: session.servers().await.unwrap(),
        weights: session.named_versions(&models).await.unwrap(),
        models,
        versions,
    };
    session.close().await.unwrap();
    // Times are written to the microsecond.
    serde_json::from_slice(&serde_json::to_vec(&snapshot).unwrap()).unwrap()
}

#[tokio::test]
async fn it_holds_after_a_lease_and_not_during_one() {
    let fresh = empty();
    assert!(fresh.snapshot().is_none());
    let session = fresh.session().await.unwrap();
    session.close().await.unwrap();
    assert!(fresh.snapshot().is_none(), "there is no schema yet");
    let session = fresh.session().await.unwrap();
    migrate(&session).await;
    assert!(fresh.snapshot().is_none());
    session.close().await.unwrap();

    let first = fresh.snapshot().unwrap();
    assert_eq!(*first, content(&fresh).await);
    assert_eq!(fresh.snapshot().unwrap(), first, "a lease that only reads leaves it valid");

    let session = fresh.session().await.unwrap();
    assert!(fresh.snapshot().is_none(), "somebody may be writing");
    let mut registry = Registry::default();
    registry.models.insert("copy".to_owned(), first.models[0].spec.clone());
    session.apply(&registry).await.unwrap();
    assert!(fresh.snapshot().is_none());
    session.close().await.unwrap();
    let second = fresh.snapshot().unwrap();
    assert!(second.model("copy").is_some() && first.model("copy").is_none());
    assert_eq!(*second, content(&fresh).await);
}

#[tokio::test]
async fn a_foreign_write_breaks_it_and_the_next_lease_mends_it() {
    let fresh = migrated().await;
    assert!(fresh.snapshot().is_some());
    // By another path, and therefore with another lease and another snapshot.
    let link = fresh.folder.path().join("link");
    std::os::unix::fs::symlink(engine_of(&fresh), &link).unwrap();
    let foreign = embedded(&link);
    let session = foreign.session().await.unwrap();
    assert!(fresh.snapshot().is_none(), "it is open elsewhere");
    let mut registry = Registry::default();
    registry.models.insert("foreign".to_owned(), session.registry().await.unwrap().models["echo"].clone());
    session.apply(&registry).await.unwrap();
    session.close().await.unwrap();
    assert!(fresh.snapshot().is_none());
    assert!(foreign.snapshot().is_some());
    fresh.session().await.unwrap().close().await.unwrap();
    assert!(fresh.snapshot().unwrap().model("foreign").is_some(), "the content was read again");
    assert!(foreign.snapshot().is_none());
}

#[tokio::test]
async fn a_file_that_is_not_whole_does_not_hold() {
    let fresh = migrated().await;
    let path = file(&fresh);
    let whole = fs::read_to_string(&path).unwrap();
    for broken in ["", "{", &whole[..whole.len() / 2], &whole.replacen("\"format\":3", "\"format\":2", 1)] {
        fs::write(&path, broken).unwrap();
        assert!(fresh.snapshot().is_none());
    }
    fs::write(&path, &whole).unwrap();
    assert!(fresh.snapshot().is_some());
    // A restored file of the engine, with the same size.
    let lock = engine_of(&fresh).join("LOCK");
    let content = fs::read(&lock).unwrap();
    fs::write(&lock, content).unwrap();
    assert!(fresh.snapshot().is_none());
}

#[tokio::test]
async fn who_waits_for_a_lease_gets_the_snapshot_that_it_leaves() {
    let fresh = migrated().await;
    let other = Database::new(fresh.settings().clone());
    let session = fresh.session().await.unwrap();
    {
        let mut waiting = pin!(other.snapshot_or_session());
        assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "somebody may be writing");
        session.close().await.unwrap();
        match waiting.await.unwrap() {
            SnapshotOrSession::Snapshot(found) => assert_eq!(found, fresh.snapshot().unwrap()),
            SnapshotOrSession::Session(_) => panic!("the engine was opened"),
        }
    }
    // No other process holds the lease, and this one leaves it free.
    fresh.session().await.unwrap().close().await.unwrap();
    fs::remove_file(file(&fresh)).unwrap();
    match other.snapshot_or_session().await.unwrap() {
        SnapshotOrSession::Session(session) => session.close().await.unwrap(),
        SnapshotOrSession::Snapshot(_) => panic!("there is none"),
    }
    assert!(fresh.snapshot().is_some());
}
