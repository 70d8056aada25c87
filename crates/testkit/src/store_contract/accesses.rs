//! The access log.

use std::time::{Duration, Instant};

use jiff::{Span, Timestamp};
use mer_core::{Access, AccessKind, AttemptKey, STDERR_TAIL_BYTES, Status};
use mer_dal::{AccessFilter, AccessPages, Store};
use uuid::Uuid;

use crate::{ended, started};

fn at(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + microseconds).unwrap()
}

/// Each field is read as it was recorded, set or not, and the attempts of a request come in order.
pub async fn every_field_comes_back(store: &Store) {
    let request = Uuid::now_v7();
    let begun = started(request, 2, "m", at(1));
    let over = Access { kind: AccessKind::Train, ..ended(&started(request, 10, "m", at(2)), Status::Failed) };
    let first = ended(&started(request, 1, "m", at(0)), Status::Unreachable);
    let expected = vec![first, begun, over];
    store.record(&[expected[2].clone(), expected[0].clone(), expected[1].clone()]).await.unwrap();
    assert_eq!(store.access(request).await.unwrap(), expected);
}

/// Long and odd texts, and times before 1970 and with microseconds.
pub async fn strange_texts_and_times_survive(store: &Store) {
    let texts = [
        "'; REMOVE TABLE ModelAccess; --".to_owned(),
        "$input {{ }} \\u0041 \u{1b}[31m \u{feff}\r\n\t日本 🦀 \u{10ffff}".to_owned(),
        "é".repeat(STDERR_TAIL_BYTES / 2),
    ];
    let times = [at(123_456), at(999_999), Timestamp::new(-1, -1_000).unwrap(), Timestamp::UNIX_EPOCH];
    for text in &texts {
        for time in times {
            let request = Uuid::now_v7();
            let mut access = ended(&started(request, 1, text, time), Status::Failed);
            access.stderr_tail.clone_from(text);
            access.caller.clone_from(text);
            access.error = Some(text.clone());
            store.record(std::slice::from_ref(&access)).await.unwrap();
            assert_eq!(store.access(request).await.unwrap(), [access]);
        }
    }
}

/// Newest first. Limit, model and start time each narrow the list down.
pub async fn accesses_are_listed_newest_first_and_filtered(store: &Store) {
    let mut all: Vec<Access> =
        (0..40).map(|n| started(Uuid::now_v7(), 1, if n % 4 == 0 { "four" } else { "other" }, at(n * 10))).collect();
    // Every second one of each model.
    all.iter_mut().step_by(2).for_each(|access| access.weights_version = Some(2));
    all.iter_mut().step_by(8).for_each(|access| access.weights_version = Some(3));
    // Recorded in neither order.
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|access| access.model == "four");
    store.record(&odd).await.unwrap();
    store.record(&even).await.unwrap();
    let starts = async |filter: AccessFilter| -> Vec<Timestamp> {
        store.accesses(&filter).await.unwrap().into_iter().map(|access| access.start_access).collect()
    };
    let newest: Vec<_> = all.iter().rev().map(|access| access.start_access).collect();
    assert_eq!(starts(AccessFilter { limit: 1000, ..AccessFilter::default() }).await, newest);
    assert_eq!(starts(AccessFilter { limit: 3, ..AccessFilter::default() }).await, newest[..3]);
    assert_eq!(starts(AccessFilter { limit: 0, ..AccessFilter::default() }).await, []);
    let since = Some(at(200));
    assert_eq!(starts(AccessFilter { since, ..AccessFilter::default() }).await, newest[..20], "since is inclusive");
    let after = at(200).checked_add(Span::new().microseconds(1)).ok();
    assert_eq!(starts(AccessFilter { since: after, ..AccessFilter::default() }).await, newest[..19]);
    let model = Some("four".to_owned());
    let fours: Vec<_> = (0..10).rev().map(|n| at(n * 40)).collect();
    assert_eq!(starts(AccessFilter { model: model.clone(), ..AccessFilter::default() }).await, fours);
    let of = |version| AccessFilter { model: model.clone(), version: Some(version), ..AccessFilter::default() };
    let threes: Vec<_> = fours.iter().copied().skip(1).step_by(2).collect();
    assert_eq!(starts(of(3)).await, threes);
    assert_eq!(starts(AccessFilter { limit: 2, since, ..of(3) }).await, threes[..2]);
    assert_eq!(starts(of(4)).await, []);
    assert_eq!(
        starts(AccessFilter { limit: 2, model: model.clone(), since, ..AccessFilter::default() }).await,
        fours[..2]
    );
    assert_eq!(starts(AccessFilter { limit: 50, model, since, ..AccessFilter::default() }).await, fours[..5]);
    // A whole second sorts before its fractions, and is a bound like any other.
    assert_eq!(starts(AccessFilter { since: Some(at(0)), ..AccessFilter::default() }).await, newest);
    let nobody = AccessFilter { model: Some("nobody".to_owned()), ..AccessFilter::default() };
    assert_eq!(starts(nobody).await, []);
}

/// Returns each access once, in the order of keys, independent of recording order and times.
pub async fn accesses_are_read_page_by_page(store: &Store) {
    let nil = AttemptKey { request_uid: Uuid::nil(), attempt: 0 };
    assert_eq!(store.accesses_after(nil, 10).await.unwrap(), []);
    let mut all: Vec<Access> = (0..25_u8)
        .flat_map(|n| {
            let request = Uuid::from_bytes([n.wrapping_mul(151); 16]);
            [1, 2, 300].map(|attempt| ended(&started(request, attempt, "m", at(i64::from(n % 7))), Status::Failed))
        })
        .collect();
    store.record(&all).await.unwrap();
    all.sort_by_key(Access::key);
    for page in [1, 7, 75, 1000] {
        let (mut key, mut read) = (nil, Vec::new());
        loop {
            let some = store.accesses_after(key, page).await.unwrap();
            assert!(some.len() <= page);
            let Some(last) = some.last() else { break };
            key = last.key();
            read.extend(some);
        }
        assert_eq!(read, all, "pages of {page}");
    }
    assert_eq!(store.accesses_after(all[40].key(), 3).await.unwrap(), all[41..44]);
}

/// The pages together are the list: newest first, then by request and attempt, however many started at the same time.
pub async fn accesses_are_listed_page_by_page(store: &Store) {
    let kinds = [AccessKind::Infer, AccessKind::Train, AccessKind::Ping];
    let batch = Uuid::from_u128(9);
    let mut all: Vec<Access> = (0..60_u8)
        .map(|n| {
            let request = Uuid::from_bytes([n.wrapping_mul(151); 16]);
            let access =
                started(request, 1 + u32::from(n % 2), ["one", "two"][usize::from(n % 7 % 2)], at((n / 20).into()));
            let batch_uid = (n % 4 == 1).then_some(batch);
            Access { kind: kinds[usize::from(n) % 3], batch_uid, ..access }
        })
        .collect();
    store.record(&all).await.unwrap();
    all.sort_by_key(|access| std::cmp::Reverse((access.start_access, access.key())));
    for (model, since, kinds, batch) in [
        (None, None, Vec::new(), None),
        (None, Some(at(1)), vec![AccessKind::Ping], None),
        (Some("one"), None, vec![AccessKind::Infer, AccessKind::Train], None),
        (Some("two"), Some(at(1)), Vec::new(), None),
        (None, None, Vec::new(), Some(batch)),
        (None, Some(at(1)), vec![AccessKind::Infer, AccessKind::Train], Some(batch)),
        (Some("one"), None, Vec::new(), Some(batch)),
        (None, None, Vec::new(), Some(Uuid::from_u128(8))),
    ] {
        let wanted = |access: &&Access| {
            model.is_none_or(|model| access.model == model)
                && since.is_none_or(|since| access.start_access >= since)
                && (kinds.is_empty() || kinds.contains(&access.kind))
                && (batch.is_none() || access.batch_uid == batch)
        };
        let wanted: Vec<Access> = all.iter().filter(wanted).cloned().collect();
        for (page, limit) in [(1, 1000), (7, 1000), (7, 16), (1000, 1000), (5, 0)] {
            let filter = AccessFilter {
                limit,
                model: model.map(str::to_owned),
                since,
                batch,
                kinds: kinds.clone(),
                ..AccessFilter::default()
            };
            let (mut pages, mut read) = (AccessPages::new(filter), Vec::new());
            while !pages.is_over() {
                let some = pages.next(store, page).await.unwrap();
                assert!(some.len() <= page);
                read.extend(some);
            }
            assert_eq!(
                read,
                wanted[..wanted.len().min(limit)],
                "{model:?}, since {since:?}, {kinds:?}, batch {batch:?}, pages of {page}"
            );
        }
    }
    let ids: Vec<Uuid> = {
        let mut ids: Vec<Uuid> = all.iter().map(|access| access.request_uid).collect();
        ids.sort_unstable();
        ids
    };
    let between = async |first: Uuid, last: Uuid, limit| -> Vec<Uuid> {
        store.accesses_between(first, last, limit).await.unwrap().iter().map(|access| access.request_uid).collect()
    };
    assert_eq!(between(ids[10], ids[20], 1000).await, ids[10..=20]);
    assert_eq!(between(ids[10], ids[20], 3).await, ids[10..13]);
    assert_eq!(between(Uuid::nil(), Uuid::max(), 1000).await, ids);
    assert!(between(Uuid::from_u128(1), Uuid::from_u128(2), 1000).await.is_empty());
}

/// Recording again in any order: the higher rank stays, and of equal ones the first.
pub async fn recording_is_idempotent_and_rank_decides(store: &Store) {
    let begun = started(Uuid::now_v7(), 1, "m", at(0));
    let lost = Access { status: Status::Lost, ..begun.clone() };
    let failed = ended(&begun, Status::Failed);
    let succeeded = ended(&begun, Status::Succeeded);
    let state = async || store.access(begun.request_uid).await.unwrap();
    for (record, expected) in [
        (&begun, &begun),
        (&begun, &begun),
        (&lost, &lost),
        (&begun, &lost),
        (&failed, &failed),
        (&lost, &failed),
        (&succeeded, &failed),
        (&begun, &failed),
    ] {
        store.record(std::slice::from_ref(record)).await.unwrap();
        assert_eq!(state().await, std::slice::from_ref(expected), "after {}", record.status);
    }
    // The same within one call: the better record first or last, and the same one twice.
    for order in [[0, 1, 2, 2], [2, 1, 0, 0]] {
        let begun = started(Uuid::now_v7(), 1, "m", at(0));
        let of_rank = [begun.clone(), Access { status: Status::Lost, ..begun.clone() }, ended(&begun, Status::Timeout)];
        store.record(&order.map(|n| of_rank[n].clone())).await.unwrap();
        assert_eq!(store.access(begun.request_uid).await.unwrap(), [of_rank[2].clone()]);
    }
    store.record(&[]).await.unwrap();
}

/// More than a batch, known and new ones mixed, with long texts.
pub async fn more_records_than_a_batch_are_recorded(store: &Store) {
    let begun: Vec<Access> = (0..600).map(|n| started(Uuid::now_v7(), 1, "many", at(n))).collect();
    store.record(&begun).await.unwrap();
    let mut over: Vec<Access> = begun.iter().map(|access| ended(access, Status::Succeeded)).collect();
    over.extend((600..1_200).map(|n| ended(&started(Uuid::now_v7(), 1, "many", at(n)), Status::Failed)));
    store.record(&over).await.unwrap();
    let filter = AccessFilter { limit: 10_000, model: Some("many".to_owned()), ..AccessFilter::default() };
    let mut listed = store.accesses(&filter).await.unwrap();
    listed.reverse();
    assert!(listed == over, "{} of {} records", listed.len(), over.len());
    // A page costs what it contains, independent of what comes after it.
    let nil = AttemptKey { request_uid: Uuid::nil(), attempt: 0 };
    let took = async |limit: usize| {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            assert_eq!(store.accesses_after(nil, limit).await.unwrap().len(), limit);
            best = best.min(begun.elapsed());
        }
        best
    };
    let (one, all) = (took(1).await, took(over.len()).await);
    assert!(one * 3 < all, "one access takes {one:?}, {} take {all:?}", over.len());
}
