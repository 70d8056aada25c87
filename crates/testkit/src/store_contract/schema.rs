//! Migrations, and what they leave.

use mer_core::{Classified as _, FailureKind};
use mer_dal::{DalError, ScriptRun, Store};

/// The uid stays the same in every session.
pub async fn the_uid_is_the_databases_own(store: &Store) {
    let uid = store.database_uid().await.unwrap();
    assert_eq!(store.database_uid().await.unwrap(), uid);
    let applied = store.applied().await.unwrap().unwrap();
    assert!(!applied.is_empty());
    assert!(applied.is_sorted_by_key(|script| script.number));
    assert!(applied.iter().all(|script| script.duration_ms >= 0.0 && script.checksum.len() == 64), "{applied:?}");
}

/// A script is one transaction with its row; the error names file, line and statement.
pub async fn a_failing_script_leaves_nothing_and_names_its_place(store: &Store) {
    let before = (store.applied().await.unwrap(), store.registry().await.unwrap());
    let run = |sql: &str| ScriptRun {
        number: 9_001,
        name: "Trial".to_owned(),
        file: "9001-Trial.sql".to_owned(),
        checksum: "0".repeat(64),
        sql: sql.to_owned(),
        mer_version: "0.0.0".to_owned(),
        own: false,
    };
    // The text is the same for every dialect: the second statement deletes from an existing table, the third is
    // invalid.
    let failing = "-- A comment; with a semicolon.\n\nDELETE FROM \"nothing\";\n";
    let error = store.apply_script(&run(failing)).await.unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::Config);
    let DalError::Script { script, failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(script, "9001-Trial.sql");
    assert_eq!(failure.line, Some(3), "{error}: {failure:?}");
    assert_eq!((store.applied().await.unwrap(), store.registry().await.unwrap()), before);
}
