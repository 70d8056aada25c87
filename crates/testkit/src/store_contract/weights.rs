//! Weights: payloads, versions, aliases, garbage collection. These cases open sessions themselves.

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use mer_core::{CURRENT_ALIAS, Classified as _, Dtype, FailureKind, Model, WeightsFormat, WeightsVersion, Which};
use mer_dal::{Collected, DalError, Database, Download, NewVersion, Session, Upload, collect_garbage};
use uuid::Uuid;

use super::writers::race;
use crate::{noise, started};

const MIB: usize = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn raw() -> NewVersion {
    NewVersion {
        format: WeightsFormat::Raw,
        dtype: Dtype::Opaque,
        shape: None,
        parent: None,
        access: None,
        collector: None,
        note: None,
        aliases: Vec::new(),
        caller: "somebody@somewhere".to_owned(),
    }
}

/// Longer than a session is kept while another process waits.
async fn a_while() {
    let end = Instant::now() + Duration::from_millis(40);
    std::future::poll_fn(|context| {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        std::thread::spawn(move || {
            std::thread::sleep(left);
            waker.wake();
        });
        Poll::Pending
    })
    .await;
}

pub(super) async fn model(database: &Database, name: &str) -> Model {
    let session = database.session().await.unwrap();
    let model = session.model(name).await.unwrap().unwrap();
    session.close().await.unwrap();
    model
}

pub(super) async fn with<T>(database: &Database, work: impl AsyncFnOnce(&Session) -> T) -> T {
    let session = database.session().await.unwrap();
    let answer = work(&session).await;
    session.close().await.unwrap();
    answer
}

pub(super) async fn put(database: &Database, model: &Model, bytes: &[u8], new: &NewVersion) -> WeightsVersion {
    let mut upload = Upload::new(database, model);
    // In pieces of a size that differs from the chunks.
    for piece in bytes.chunks(300_001) {
        upload.write(piece).await.unwrap();
    }
    upload.finish(new).await.unwrap()
}

pub(super) async fn get(database: &Database, version: &WeightsVersion) -> Vec<u8> {
    let mut download = Download::new(database, version);
    let mut bytes = Vec::new();
    while let Some(chunk) = download.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

async fn numbers(database: &Database, model: &Model) -> Vec<u64> {
    with(database, async |session| {
        session.versions(model).await.unwrap().into_iter().map(|version| version.version).collect()
    })
    .await
}

/// Whether large payloads are tested, which takes seconds in unoptimised builds.
fn wants_large() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("MER_TEST_LARGE").is_some()
}

/// Nothing, less than a chunk, exactly one, a little more, more than a batch; and more than a frame of 16 MiB if
/// [`wants_large`].
pub async fn weights_of_every_size_come_back(database: &Database) {
    let iris = model(database, "iris").await;
    let large = wants_large().then_some(17 * MIB + 17);
    for (seed, length) in (1..).zip([0, 1, 1000, MIB, MIB + 1, 5 * MIB].into_iter().chain(large)) {
        let bytes = noise(seed, length);
        let version = put(database, &iris, &bytes, &raw()).await;
        assert_eq!((version.version, version.bytes), (seed, length as u64));
        assert!(get(database, &version).await == bytes, "{length} bytes came back as others");
    }
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let first = with(database, async |session| session.version(&iris, 1).await.unwrap().unwrap()).await;
    assert_eq!(first.sha256, empty);
}

/// Equal chunks are stored once, within a version and between models, and are removed with their last version.
pub async fn equal_chunks_are_kept_once(database: &Database) {
    let (iris, echo) = (model(database, "iris").await, model(database, "echo").await);
    let zeros = vec![0; 3 * MIB];
    put(database, &iris, &zeros, &raw()).await;
    put(database, &iris, &[noise(1, MIB), zeros.clone()].concat(), &raw()).await;
    let mine = put(database, &echo, &[zeros, noise(2, 5)].concat(), &raw()).await;
    with(database, async |session| {
        session.remove_version(&iris, 1, false, "me").await.unwrap();
        session.remove_version(&iris, 2, false, "me").await.unwrap();
    })
    .await;
    let collected = collect_garbage(database, HOUR).await.unwrap();
    // One of the four chunks of the second version was not shared.
    let expected = Collected { uploads: 0, payloads: 2, chunks: 1, bytes: MIB as u64 };
    assert_eq!(collected, expected);
    assert_eq!(get(database, &mine).await.len(), 3 * MIB + 5);
    with(database, async |session| session.remove_version(&echo, 1, false, "me").await.unwrap()).await;
    let collected = collect_garbage(database, HOUR).await.unwrap();
    assert_eq!((collected.chunks, collected.bytes), (2, MIB as u64 + 5));
    assert_eq!(collect_garbage(database, Duration::ZERO).await.unwrap(), Collected::default());
}

/// Each field is read as it was stored; numbers continue, also after the newest version was removed.
pub async fn what_was_put_is_told(database: &Database) {
    let iris = model(database, "iris").await;
    let access = started(Uuid::now_v7(), 3, "iris", "2026-01-02T03:04:05Z".parse().unwrap());
    let new = NewVersion {
        format: WeightsFormat::Npy,
        dtype: Dtype::Bf16,
        shape: Some(vec![2, 0, u64::MAX]),
        parent: Some(7),
        access: Some(Box::new(access.clone())),
        collector: None,
        note: Some("'; DELETE ModelWeights; -- \u{1b} 🦀".to_owned()),
        aliases: Vec::new(),
        caller: "me".to_owned(),
    };
    let version = put(database, &iris, b"abc", &new).await;
    let told = with(database, async |session| session.version(&iris, 1).await.unwrap().unwrap()).await;
    assert_eq!(told, version);
    assert_eq!((&told.model, told.format, told.dtype, &told.shape), (&iris.name, new.format, new.dtype, &new.shape));
    assert_eq!((told.parent_version, told.request_uid, told.attempt), (Some(7), Some(access.request_uid), Some(3)));
    assert_eq!(told.note, new.note);
    assert_eq!(told.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let scalar = NewVersion { dtype: Dtype::U8, shape: Some(Vec::new()), ..raw() };
    let scalar = put(database, &iris, b"d", &scalar).await;
    assert_eq!((scalar.version, scalar.shape, scalar.note), (2, Some(Vec::new()), None));
    assert_eq!(numbers(database, &iris).await, [2, 1]);
    with(database, async |session| session.remove_version(&iris, 2, false, "me").await.unwrap()).await;
    assert_eq!(put(database, &iris, b"e", &raw()).await.version, 3, "no number is given twice");
    assert_eq!(numbers(database, &iris).await, [3, 1]);
    assert!(numbers(database, &model(database, "echo").await).await.is_empty());
}

/// An alias names one version at any time, and its history lists them.
pub async fn aliases_move_whole_and_keep_their_history(database: &Database) {
    let (iris, echo) = (model(database, "iris").await, model(database, "echo").await);
    let first = NewVersion { aliases: vec!["first".to_owned(), CURRENT_ALIAS.to_owned()], ..raw() };
    put(database, &iris, b"1", &first).await;
    put(database, &iris, b"2", &raw()).await;
    put(database, &echo, b"3", &first).await;
    let request = Uuid::now_v7();
    with(database, async |session| {
        let now = async |which: Which| session.resolve(&iris, &which).await.map(|v| v.map(|v| v.version));
        assert_eq!(now(Which::Current).await.unwrap(), Some(1));
        session.move_alias(&iris, CURRENT_ALIAS, Some(2), "ada", Some(request)).await.unwrap();
        session.move_alias(&iris, CURRENT_ALIAS, Some(2), "bob", None).await.unwrap();
        assert_eq!(now(Which::Current).await.unwrap(), Some(2));
        assert_eq!(now(Which::Alias("first".to_owned())).await.unwrap(), Some(1));
        assert_eq!(now(Which::Version(2)).await.unwrap(), Some(2));
        let error = session.move_alias(&iris, CURRENT_ALIAS, Some(9), "eve", None).await.unwrap_err();
        assert!(matches!(error, DalError::NoVersion { version: 9, .. }), "{error:?}");
        assert_eq!(error.failure_kind(), FailureKind::NotFound);
        session.move_alias(&iris, CURRENT_ALIAS, None, "ada", None).await.unwrap();
        session.move_alias(&iris, CURRENT_ALIAS, None, "bob", None).await.unwrap();
        session.move_alias(&iris, "never", None, "bob", None).await.unwrap();
        assert_eq!(now(Which::Current).await.unwrap(), None);
        session.move_alias(&iris, CURRENT_ALIAS, Some(1), "ada", None).await.unwrap();
        let moves = session.alias_moves(&iris, Some(CURRENT_ALIAS)).await.unwrap();
        let told: Vec<_> = moves.iter().map(|m| (m.number, m.version, m.caller.as_str(), m.request_uid)).collect();
        let expected = [
            (4, Some(1), "ada", None),
            (3, None, "ada", None),
            (2, Some(2), "ada", Some(request)),
            (1, Some(1), "somebody@somewhere", None),
        ];
        assert_eq!(told, expected);
        assert!(moves.is_sorted_by(|newer, older| newer.moved_at >= older.moved_at));
        assert_eq!(session.alias_moves(&iris, None).await.unwrap().len(), 5);
        assert!(session.alias_moves(&iris, Some("never")).await.unwrap().is_empty());
        for which in [Which::Alias("never".to_owned()), Which::Version(3)] {
            let error = session.resolve(&iris, &which).await.unwrap_err();
            assert_eq!(error.failure_kind(), FailureKind::NotFound, "{error}");
        }
        let named = session.named_versions(&session.models().await.unwrap()).await.unwrap();
        let told: Vec<_> = named.iter().map(|(a, v)| (a.model.as_str(), a.name.as_str(), v.version)).collect();
        assert_eq!(told, [("echo", "current", 1), ("echo", "first", 1), ("iris", "current", 1), ("iris", "first", 1)]);
    })
    .await;
}

/// A version that an alias or the log names is removed only by force.
pub async fn versions_in_use_are_not_removed(database: &Database) {
    let iris = model(database, "iris").await;
    let named = |names: &[&str]| NewVersion { aliases: names.iter().map(|name| (*name).to_owned()).collect(), ..raw() };
    put(database, &iris, b"1", &named(&["a", "b", "a"])).await;
    put(database, &iris, b"2", &named(&["c"])).await;
    let mut run = started(Uuid::now_v7(), 1, "iris", jiff::Timestamp::UNIX_EPOCH);
    run.weights_version = Some(2);
    with(database, async |session| {
        session.record(&[run]).await.unwrap();
        for (version, why) in
            [(1, "the aliases `a`, `b` name it"), (2, "the alias `c` names it, and the log of accesses mentions it")]
        {
            let error = session.remove_version(&iris, version, false, "me").await.unwrap_err();
            assert!(matches!(error, DalError::VersionInUse { .. }) && error.to_string().contains(why), "{error:?}");
            assert_eq!(error.failure_kind(), FailureKind::Refused);
            assert!(session.version(&iris, version).await.unwrap().is_some());
        }
        let error = session.remove_version(&iris, 3, true, "me").await.unwrap_err();
        assert!(matches!(error, DalError::NoVersion { version: 3, .. }), "{error:?}");
        session.remove_version(&iris, 1, true, "me").await.unwrap();
        session.remove_version(&iris, 2, true, "me").await.unwrap();
        assert!(session.named_versions(std::slice::from_ref(&iris)).await.unwrap().is_empty());
        let last = session.alias_moves(&iris, Some("a")).await.unwrap().remove(0);
        assert_eq!((last.number, last.version, last.caller.as_str()), (2, None, "me"), "the history has it");
    })
    .await;
    assert_eq!(numbers(database, &iris).await, [0_u64; 0]);
}

/// Concurrent writers of one model and of equal bytes: each gets a complete version with its own number.
pub async fn puts_at_once_get_numbers_of_their_own(database: &Database) {
    const WRITERS: usize = 8;
    let iris = model(database, "iris").await;
    let iris = &iris;
    let common = noise(1, MIB);
    let common = &common;
    race((0..WRITERS).map(|writer| async move {
        let bytes = [common.clone(), vec![u8::try_from(writer).unwrap()]].concat();
        let new = NewVersion { aliases: vec![CURRENT_ALIAS.to_owned(), format!("of-{writer}")], ..raw() };
        let version = put(database, iris, &bytes, &new).await;
        assert!(get(database, &version).await == bytes);
    }))
    .await;
    let expected: Vec<u64> = (1..=WRITERS as u64).rev().collect();
    assert_eq!(numbers(database, iris).await, expected);
    with(database, async |session| {
        let moves = session.alias_moves(iris, Some(CURRENT_ALIAS)).await.unwrap();
        let told: Vec<_> = moves.iter().map(|m| (m.number, m.version)).collect();
        let expected: Vec<_> = expected.iter().map(|n| (*n, Some(*n))).collect();
        assert_eq!(told, expected, "the alias moved with each version, in their order");
    })
    .await;
}

/// An upload that is not finished is invisible; its chunks stay while it lives, and are removed when it was given up.
pub async fn clearing_away_spares_what_lives(database: &Database) {
    let iris = model(database, "iris").await;
    // More than a batch.
    let whole = noise(1, 5 * MIB);
    let begun = async || {
        let mut upload = Upload::new(database, &iris);
        upload.write(&whole).await.unwrap();
        // Closes the session meanwhile.
        upload.waiting(a_while()).await.unwrap();
        upload
    };
    let mut lives = begun().await;
    let aborted = begun().await;
    aborted.abort().await.unwrap();
    drop(begun().await);
    assert!(numbers(database, &iris).await.is_empty(), "nothing half is visible");
    let collected = collect_garbage(database, HOUR).await.unwrap();
    assert_eq!((collected.uploads, collected.payloads, collected.chunks), (0, 1, 0), "the one that was taken back");
    lives.write(b"end").await.unwrap();
    let version = lives.finish(&raw()).await.unwrap();
    let cut = begun().await;
    let collected = collect_garbage(database, Duration::ZERO).await.unwrap();
    assert_eq!((collected.uploads, collected.payloads, collected.chunks), (2, 2, 0), "the two that were left");
    let error = cut.finish(&raw()).await.unwrap_err();
    assert!(matches!(error, DalError::UploadGone { .. }), "{error:?}");
    assert_eq!(numbers(database, &iris).await, [1]);
    assert!(get(database, &version).await == [whole.as_slice(), b"end"].concat());
}

/// A removed model takes no version; its uploads and weights are removed with it.
pub async fn a_removed_model_takes_no_version(database: &Database) {
    let iris = model(database, "iris").await;
    let first = NewVersion { aliases: vec![CURRENT_ALIAS.to_owned()], ..raw() };
    put(database, &iris, b"1", &first).await;
    let upload = Upload::new(database, &iris);
    with(database, async |session| {
        let error = session.remove_model("iris").await.unwrap_err();
        assert!(matches!(error, DalError::HasWeights { .. }), "{error:?}");
        session.remove_version(&iris, 1, true, "me").await.unwrap();
        session.remove_model("iris").await.unwrap();
        assert!(session.model("iris").await.unwrap().is_none());
        assert!(session.alias_moves(&iris, None).await.unwrap().is_empty());
    })
    .await;
    let error = upload.finish(&raw()).await.unwrap_err();
    assert!(matches!(error, DalError::ModelGone { .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::NotFound);
    assert!(numbers(database, &iris).await.is_empty());
    let collected = collect_garbage(database, Duration::ZERO).await.unwrap();
    assert_eq!((collected.payloads, collected.chunks), (1, 1));
}

/// Versions are added and removed during garbage collection: existing versions are complete.
pub async fn puts_and_clearing_away_at_once_leave_whole_versions(database: &Database) {
    let iris = model(database, "iris").await;
    let iris = &iris;
    let common = noise(1, 2 * MIB);
    let common = &common;
    race((0..4_u8).map(|writer| async move {
        for round in 0..4_u8 {
            if writer == 0 {
                collect_garbage(database, HOUR).await.unwrap();
                continue;
            }
            // Made of the chunks that all share, and that may be unused at this moment.
            let bytes = [common.as_slice(), &[writer, round]].concat();
            let version = put(database, iris, &bytes, &raw()).await;
            assert!(get(database, &version).await == bytes, "version {} is not whole", version.version);
            if round % 2 == 0 {
                with(database, async |session| session.remove_version(iris, version.version, false, "me").await)
                    .await
                    .unwrap();
            }
        }
    }))
    .await;
    let versions = with(database, async |session| session.versions(iris).await.unwrap()).await;
    assert_eq!(versions.len(), 6);
    collect_garbage(database, Duration::ZERO).await.unwrap();
    for version in &versions {
        assert_eq!(get(database, version).await.len(), common.len() + 2);
        with(database, async |session| session.remove_version(iris, version.version, false, "me").await.unwrap()).await;
    }
    assert_eq!(collect_garbage(database, HOUR).await.unwrap().chunks, 2 + 6);
}
