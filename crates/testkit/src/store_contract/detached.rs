//! Runs that outlive their caller.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use mer_core::{Access, AccessKind, Bound, DetachedParams, DetachedRun, DetachedTraining, Status};
use mer_dal::{DalError, Database, NewVersion, NextAttempt, Store, Upload};
use uuid::Uuid;

use super::{
    weights::{model, raw, with},
    writers::race,
};
use crate::{ended, started};

const LONG: Duration = Duration::from_secs(90);

/// A run as it is before it has started, and its access.
fn run(number: u128, attempt: u32) -> (DetachedRun, Access) {
    let begun = started(Uuid::from_u128(number), attempt, "iris", "2026-01-02T03:04:05Z".parse().unwrap());
    let run = DetachedRun {
        request_uid: begun.request_uid,
        attempt,
        model: begun.model.clone(),
        server: begun.server.clone(),
        host: "here".to_owned(),
        boot_id: None,
        folder: None,
        job_id: None,
        claim: None,
        started_at: Timestamp::UNIX_EPOCH,
        collect_by: Timestamp::UNIX_EPOCH,
        is_overdue: false,
        params: DetachedParams::default(),
    };
    (run, begun)
}

fn end(begun: &Access) -> Access {
    Access { stderr_tail: "the end".to_owned(), ..ended(begun, Status::Succeeded) }
}

async fn row(store: &Store, begun: &Access) -> Access {
    let rows = store.access(begun.request_uid).await.unwrap();
    rows.into_iter().find(|row| row.attempt == begun.attempt).expect("the access")
}

/// A run is on record with its access from before its start until its end, and every field comes back.
pub async fn a_detached_run_is_on_record_until_its_end(store: &Store) {
    let (first, begun) = run(7, 2);
    let (other, _) = run(7, 1);
    for _ in 0..2 {
        store.add_detached(&first, LONG, &begun).await.unwrap();
    }
    store.add_detached(&other, LONG, &run(7, 1).1).await.unwrap();
    let known = store.detached_runs().await.unwrap();
    assert_eq!(known.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2]);
    let lasts = known[1].collect_by.duration_since(known[1].started_at);
    assert!((lasts - SignedDuration::try_from(LONG).unwrap()).abs() < SignedDuration::from_secs(5), "{lasts:?}");
    let placed = DetachedRun {
        host: "gpü1".to_owned(),
        boot_id: Some("b-1".to_owned()),
        folder: Some("/srv/it's \"here\"".to_owned()),
        job_id: Some("4711_3".to_owned()),
        claim: Some(Uuid::from_u128(9)),
        params: DetachedParams {
            pid: Some(4711),
            start_time: Some("18446744073709551615".to_owned()),
            max_run_time: Some(Bound::secs(7200)),
            grace_secs: Some(5),
            hashes: true,
            stdin_bytes: 7,
            stdin_sha256: Some("a1".repeat(32)),
            start_ms: Some(1.5),
            training: Some(DetachedTraining { promote: true, note: Some("ñ".to_owned()), parent: Some(3) }),
            extra: [("colour".to_owned(), serde_json::json!({ "red": [1, null] }))].into(),
        },
        ..known[1].clone()
    };
    assert!(store.update_detached(&placed).await.unwrap());
    assert_eq!(store.detached_runs().await.unwrap(), [known[0].clone(), placed]);
    assert_eq!(row(store, &begun).await.status, Status::Started);

    let collector = Uuid::new_v4();
    assert!(!store.close_detached(collector, &end(&begun), None).await.unwrap(), "no process collects it");
    assert!(store.take_detached(first.key(), collector, LONG).await.unwrap());
    assert!(store.close_detached(collector, &end(&begun), None).await.unwrap());
    assert_eq!(row(store, &begun).await, end(&begun));
    assert!(!store.close_detached(collector, &end(&begun), None).await.unwrap());
    assert!(!store.take_detached(first.key(), collector, LONG).await.unwrap());
    assert!(!store.update_detached(&first).await.unwrap());
    assert_eq!(store.detached_runs().await.unwrap().len(), 1);
    // The start is repeated when its answer was lost; it does not replace the end.
    store.add_detached(&first, LONG, &begun).await.unwrap();
    assert_eq!(row(store, &begun).await, end(&begun));
}

/// One process at a time collects a run, by the clock of the database, and an end is put on record by that one only.
pub async fn one_process_collects_a_detached_run(store: &Store) {
    let ((run, begun), short) = (run(8, 1), Duration::from_millis(400));
    let [one, two] = [Uuid::new_v4(), Uuid::new_v4()];
    store.add_detached(&run, short, &begun).await.unwrap();
    assert!(store.take_detached(run.key(), one, LONG).await.unwrap());
    assert!(store.take_detached(run.key(), one, LONG).await.unwrap(), "taking again is renewing");
    assert!(!store.take_detached(run.key(), two, LONG).await.unwrap());
    store.leave_detached(run.key(), two).await.unwrap();
    assert!(!store.take_detached(run.key(), two, LONG).await.unwrap(), "only its collector leaves it");
    store.leave_detached(run.key(), one).await.unwrap();
    assert!(store.take_detached(run.key(), two, short).await.unwrap());
    // A collector that is silent for too long is replaced.
    let begin = Instant::now();
    while !store.take_detached(run.key(), one, LONG).await.unwrap() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the collector is never replaced");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lost = Access { status: Status::Lost, ..end(&begun) };
    assert!(!store.close_detached(two, &lost, None).await.unwrap());
    assert_eq!(row(store, &begun).await.status, Status::Started);
    let known = store.detached_runs().await.unwrap();
    assert!(known[0].is_overdue, "it was to be collected within 400 ms");
    assert!(store.close_detached(one, &lost, None).await.unwrap());
    assert_eq!(row(store, &begun).await.status, Status::Lost);
    assert_eq!(store.detached_runs().await.unwrap(), []);
}

/// One of sixteen processes that collect a run at once puts its end on record, together with the attempt that follows.
pub async fn of_sixteen_collectors_one_ends_the_run(store: &Store) {
    let ((first, begun), (following, its_start)) = (run(9, 1), run(9, 2));
    store.add_detached(&first, LONG, &begun).await.unwrap();
    let (ends, begun) = (&Cell::new(0), &begun);
    let next = &NextAttempt { run: following, lasts: LONG, access: its_start };
    race((0..16_u32).map(|process| async move {
        let collector = Uuid::new_v4();
        if store.take_detached(begun.key(), collector, LONG).await.unwrap() {
            let access = Access { exit_code: Some(i32::try_from(process).unwrap()), ..end(begun) };
            if store.close_detached(collector, &access, Some(next)).await.unwrap() {
                ends.set(ends.get() + 1);
            }
        }
    }))
    .await;
    assert_eq!(ends.get(), 1);
    assert_eq!(row(store, begun).await.status, Status::Succeeded);
    let known = store.detached_runs().await.unwrap();
    assert_eq!(known.iter().map(DetachedRun::key).collect::<Vec<_>>(), [next.run.key()]);
    assert_eq!((known[0].folder.as_deref(), &known[0].params), (next.run.folder.as_deref(), &next.run.params));
    assert!(!known[0].is_overdue && known[0].collect_by > known[0].started_at);
    assert_eq!(row(store, &next.access).await, next.access);
    // A collector that comes late does not bring it back.
    let collector = Uuid::new_v4();
    assert!(store.take_detached(next.run.key(), collector, LONG).await.unwrap());
    assert!(store.close_detached(collector, &end(&next.access), None).await.unwrap());
    assert!(!store.close_detached(collector, &end(begun), Some(next)).await.unwrap());
    assert_eq!(store.detached_runs().await.unwrap(), []);
    assert_eq!(row(store, &next.access).await, end(&next.access));
}

/// A version of a detached training is stored by the process that collects it, once, and the run is closed with it.
pub async fn a_detached_training_makes_one_version(database: &Database) {
    let iris = model(database, "iris").await;
    let (run, begun) = run(10, 1);
    let begun = Access { kind: AccessKind::Train, ..begun };
    let [one, two] = [Uuid::new_v4(), Uuid::new_v4()];
    let store = async |collector: Uuid, bytes: &[u8]| {
        let mut upload = Upload::new(database, &iris);
        upload.write(bytes).await.unwrap();
        let over = Access { weights_version: None, weights_sha256: None, ..end(&begun) };
        upload.finish(&NewVersion { access: Some(Box::new(over)), collector: Some(collector), ..raw() }).await
    };
    with(database, async |session| {
        session.add_detached(&run, LONG, &begun).await.unwrap();
        assert!(session.take_detached(run.key(), one, LONG).await.unwrap());
    })
    .await;
    let error = store(two, b"two").await.unwrap_err();
    assert!(matches!(error, DalError::Collected { request } if request == begun.request_uid), "{error:?}");
    let version = store(one, b"one").await.unwrap();
    assert_eq!((version.version, version.request_uid), (1, Some(begun.request_uid)));
    let error = store(one, b"one").await.unwrap_err();
    assert!(matches!(error, DalError::Collected { .. }), "{error:?}");
    with(database, async |session| {
        assert_eq!(session.versions(&iris).await.unwrap().len(), 1);
        assert_eq!(session.detached_runs().await.unwrap(), []);
        let row = row(session, &begun).await;
        assert_eq!((row.status, row.weights_version), (Status::Succeeded, Some(1)));
    })
    .await;
}
