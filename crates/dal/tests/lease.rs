//! The lease on the embedded engine: one at a time, bounded, and released whatever happens.
#![cfg(feature = "embedded")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use common::{another_process, argument, embedded, empty, engine_of, impatient, migrated};
use mer_core::{Classified as _, FailureKind};
use mer_dal::DalError;

#[tokio::test]
async fn the_folder_is_private_and_the_lock_stands_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let fresh = empty();
    let engine = engine_of(&fresh);
    assert!(!engine.parent().unwrap().exists(), "making a database touches nothing");
    fresh.session().await.unwrap().close().await.unwrap();
    for folder in [engine, engine.parent().unwrap()] {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(fs::read_to_string(engine.with_extension("lock")).unwrap(), "", "nobody holds it");
}

#[tokio::test]
async fn who_waits_too_long_is_told_who_holds_it() {
    let fresh = empty();
    let session = fresh.session().await.unwrap();
    let begun = Instant::now();
    let error = impatient(engine_of(&fresh), Duration::from_millis(100)).session().await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(error.failure_kind(), FailureKind::Busy);
    assert!(matches!(&error, DalError::Busy { pid: Some(pid), .. } if *pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    session.close().await.unwrap();
    impatient(engine_of(&fresh), Duration::ZERO).session().await.unwrap().close().await.unwrap();
}

/// Runs in the other process of the next test; not a test by itself.
#[tokio::test]
async fn hold_the_lease_for_ever() {
    let Some(engine) = argument() else { return };
    let _session = embedded(&engine).session().await.unwrap();
    println!("held");
    std::thread::sleep(Duration::from_secs(600));
}

#[tokio::test]
async fn a_killed_holder_frees_it() {
    let fresh = migrated().await;
    let engine = engine_of(&fresh);
    let mut child = another_process("hold_the_lease_for_ever", engine).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("held")));
    let error = impatient(engine, Duration::from_millis(50)).session().await.unwrap_err();
    let killed = child.kill().and_then(|()| child.wait());
    assert!(matches!(&error, DalError::Busy { pid: Some(pid), .. } if *pid == child.id()), "{error}");
    killed.unwrap();
    let session = fresh.session().await.unwrap();
    assert!(session.applied().await.unwrap().is_some_and(|applied| !applied.is_empty()));
    session.close().await.unwrap();
}

#[tokio::test]
async fn fifty_reopens_in_a_row() {
    let fresh = empty();
    for _ in 0..50 {
        impatient(engine_of(&fresh), Duration::from_secs(5)).session().await.unwrap().close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_at_once_take_turns() {
    let fresh = migrated().await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let database = fresh.database.clone();
            tokio::spawn(async move {
                let session = database.session().await.unwrap();
                session.database_uid().await.unwrap();
                session.close().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_session_is_closed_behind_our_back() {
    let fresh = migrated().await;
    for _ in 0..3 {
        drop(fresh.session().await.unwrap());
    }
    // Writes whose future is dropped, earlier or later.
    for round in 0..6_u64 {
        let session = fresh.session().await.unwrap();
        let echo = session.model("echo").await.unwrap().unwrap().spec;
        let models = (0..80).map(|n| (format!("copy-{round}-{n}"), echo.clone())).collect();
        let registry = mer_core::Registry { models, ..mer_core::Registry::default() };
        let _ = tokio::time::timeout(Duration::from_millis(round * 4), session.apply(&registry)).await;
        drop(session);
        let session = fresh.session().await.unwrap();
        let after = session.registry().await.unwrap();
        session.close().await.unwrap();
        assert!(fresh.snapshot().unwrap().registry() == after, "the snapshot tells what the database has");
    }
}

#[tokio::test]
async fn a_cancelled_wait_leaves_nothing_behind() {
    let fresh = empty();
    let session = fresh.session().await.unwrap();
    for _ in 0..3 {
        let waiting = tokio::time::timeout(Duration::from_millis(20), fresh.session()).await;
        assert!(waiting.is_err());
    }
    session.close().await.unwrap();
    fresh.session().await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn folders_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("photos");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("cat.jpg"), "meow").unwrap();
    let error = embedded(&foreign).session().await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Config);
    assert!(error.to_string().contains("photos") && error.to_string().contains("cat.jpg"), "{error}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1, "nothing was written there");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = embedded(&path).session().await.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::Io, "{error}");
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[tokio::test]
async fn a_corrupt_database_is_an_error_and_no_panic() {
    let fresh = migrated().await;
    let manifest = engine_of(&fresh).join("manifest");
    for entry in fs::read_dir(manifest).unwrap() {
        fs::write(entry.unwrap().path(), b"not a manifest").unwrap();
    }
    let error = fresh.session().await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Io);
    assert!(matches!(error, DalError::Open { .. }), "{error:?}");
    assert!(fresh.snapshot().is_none());
    // The lease is free again.
    let again = impatient(engine_of(&fresh), Duration::from_secs(5)).session().await.unwrap_err();
    assert!(matches!(again, DalError::Open { .. }), "{again:?}");
}
