//! Questions to the access log: filters, statistics, scans, and pruning.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mer_core::{Access, AccessKind, AttemptKey, Status, Tags};
use mer_dal::{
    AccessFilter, AccessPages, AccessScan, Database, PruneRange, StatsBy, StatsReader, StatsRow, Store, WeightsFilter,
    prune,
};
use uuid::Uuid;

use crate::{ended, started};

/// Texts that would be patterns, quotes or numbers elsewhere.
const TEXTS: [&str; 7] = ["%_", "100%", "a.*b", "'; DROP", "\\u0041", "\u{202e}\u{1b}[2J", "0"];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// Accesses that differ in everything that a filter looks at, by their number.
fn mixed(count: u32) -> Vec<Access> {
    const STATUSES: [Status; 7] = [
        Status::Succeeded,
        Status::Started,
        Status::Failed,
        Status::Timeout,
        Status::Cancelled,
        Status::Unreachable,
        Status::Lost,
    ];
    const KINDS: [AccessKind; 4] = [AccessKind::Infer, AccessKind::Train, AccessKind::Ping, AccessKind::Load];
    fn pick<T: Copy>(from: &[T], n: u32) -> T {
        from[n as usize % from.len()]
    }
    let access = |n: u32| {
        let uid = Uuid::from_u128(u128::from(n.wrapping_mul(2_654_435_761)) << 96 | 0x7000_8000_0000_0000_0000);
        let begun = started(uid, 1 + n % 2, pick(&["one", "two", "%"], n), at(i64::from(n / 3)));
        let status = pick(&STATUSES, n / 2);
        let over = if status == Status::Started { begun } else { ended(&begun, status) };
        let items = pick(&[None, None, None, Some(1), Some(40), Some(0)], n / 5);
        Access {
            server: pick(&["local", "gpu", "_"], n / 4).to_owned(),
            kind: pick(&KINDS, n / 7),
            caller: pick(&["ada@lab", "ada@home", "adam@lab", "%@lab"], n / 3).to_owned(),
            weights_version: pick(&[None, Some(3), Some(4)], n),
            weights_sha256: pick(&[None, Some("a1b2c3d4"), Some("a1b2c3ff")], n).map(|begin| begin.repeat(8)),
            batch_uid: pick(&[None, None, Some(Uuid::from_u128(7))], n / 11),
            items,
            failed_items: items.map(|items| items.min(2)),
            run_ms: (status != Status::Started).then(|| f64::from(n % 97) * 0.25),
            queue_ms: pick(&[None, Some(0.5), Some(8.0)], n),
            stderr_tail: pick(&TEXTS, n).to_owned(),
            error: pick(&[None, Some(pick(&TEXTS, n / 6))], n).map(str::to_owned),
            tags: Tags(
                [("team", pick(&["vision", "%"], n)), ("run", pick(&["1", "2", "3"], n / 2))]
                    .into_iter()
                    .take(n as usize % 3)
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            ),
            ..over
        }
    };
    (0..count).map(access).collect()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    Tags(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

/// Filters, each of which selects some of the mixed accesses.
fn filters() -> Vec<AccessFilter> {
    let any = AccessFilter { limit: usize::MAX, ..AccessFilter::default() };
    let text = |text: &str| Some(text.to_owned());
    let mut filters = vec![
        AccessFilter { model: text("two"), ..any.clone() },
        AccessFilter { model: text("%"), ..any.clone() },
        AccessFilter { model: text("two"), version: Some(3), ..any.clone() },
        AccessFilter { batch: Some(Uuid::from_u128(7)), ..any.clone() },
        AccessFilter { since: Some(at(20)), ..any.clone() },
        AccessFilter { until: Some(at(20)), ..any.clone() },
        AccessFilter { since: Some(at(10)), until: Some(at(30)), ..any.clone() },
        AccessFilter { kinds: vec![AccessKind::Infer, AccessKind::Load], ..any.clone() },
        AccessFilter { server: text("gpu"), ..any.clone() },
        AccessFilter { server: text("_"), ..any.clone() },
        AccessFilter { statuses: AccessFilter::FAILURES.to_vec(), ..any.clone() },
        AccessFilter { statuses: vec![Status::Started, Status::Succeeded], ..any.clone() },
        AccessFilter { caller: text("ada"), ..any.clone() },
        AccessFilter { caller: text("ada@home"), ..any.clone() },
        AccessFilter { caller: text("%"), ..any.clone() },
        AccessFilter { weights: Some(WeightsFilter::Version(4)), ..any.clone() },
        AccessFilter { weights: Some(WeightsFilter::Sha256("a1b2c3d4".to_owned())), ..any.clone() },
        AccessFilter { tags: tags(&[("team", "%")]), ..any.clone() },
        AccessFilter { tags: tags(&[("team", "vision"), ("run", "2")]), ..any.clone() },
    ];
    filters.extend(TEXTS.iter().map(|contained| AccessFilter { contains: text(contained), ..any.clone() }));
    filters
}

/// All conditions of two filters.
fn both(one: &AccessFilter, other: &AccessFilter) -> AccessFilter {
    let (one, other) = (one.clone(), other.clone());
    let either = |one: Vec<_>, other| if one.is_empty() { other } else { one };
    AccessFilter {
        limit: one.limit,
        model: one.model.or(other.model),
        version: one.version.or(other.version),
        batch: one.batch.or(other.batch),
        since: one.since.or(other.since),
        until: one.until.or(other.until),
        kinds: if one.kinds.is_empty() { other.kinds } else { one.kinds },
        server: one.server.or(other.server),
        statuses: either(one.statuses, other.statuses),
        caller: one.caller.or(other.caller),
        weights: one.weights.or(other.weights),
        tags: if one.tags.0.is_empty() { other.tags } else { one.tags },
        contains: one.contains.or(other.contains),
    }
}

/// Whether an access meets a filter, said differently than by the filter itself.
fn meets(access: &Access, filter: &AccessFilter) -> bool {
    let text = format!("{}\n{}", access.stderr_tail, access.error.clone().unwrap_or_default());
    let user = access.caller.split('@').next().unwrap_or_default();
    let hash = access.weights_sha256.clone().unwrap_or_default();
    [
        filter.model.as_ref().is_none_or(|model| access.model == *model),
        filter.version.is_none_or(|version| access.weights_version == Some(version)),
        filter.batch.is_none_or(|batch| access.batch_uid == Some(batch)),
        filter.since.is_none_or(|since| since <= access.start_access),
        filter.until.is_none_or(|until| until > access.start_access),
        filter.kinds.is_empty() || filter.kinds.contains(&access.kind),
        filter.server.as_ref().is_none_or(|server| access.server == *server),
        filter.statuses.is_empty() || filter.statuses.contains(&access.status),
        filter.caller.as_ref().is_none_or(|caller| access.caller == *caller || user == caller),
        filter.weights.as_ref().is_none_or(|weights| match weights {
            WeightsFilter::Version(version) => access.weights_version == Some(*version),
            WeightsFilter::Sha256(begin) => hash.starts_with(begin),
        }),
        filter.tags.0.iter().all(|tag| access.tags.0.iter().any(|found| found == tag)),
        filter.contains.as_ref().is_none_or(|contained| text.contains(contained)),
    ]
    .into_iter()
    .all(|is_met| is_met)
}

/// Every filter alone, and every two together, select the same accesses everywhere, whatever the length of pages is.
pub async fn filters_select_together(store: &Store) {
    let mut all = mixed(180);
    store.record(&all).await.unwrap();
    all.sort_by_key(|access| std::cmp::Reverse((access.start_access, access.key())));
    let filters = filters();
    let mut several = 0;
    for (number, one) in filters.iter().enumerate() {
        // Every filter by itself, and a quarter of the pairs.
        for other in filters[number..].iter().step_by(4) {
            let filter = both(one, other);
            let wanted: Vec<Access> = all.iter().filter(|access| meets(access, &filter)).cloned().collect();
            assert!(!wanted.is_empty() || one != other, "nothing meets {filter:?}");
            several += usize::from(wanted.len() > 1);
            let pages = if number % 4 == 0 { 7 } else { 1000 };
            let limit = if number % 3 == 0 { 5 } else { usize::MAX };
            let limited = AccessFilter { limit, ..filter.clone() };
            let (mut reader, mut read) = (AccessPages::new(limited), Vec::new());
            while !reader.is_over() {
                let page = reader.next(store, pages).await.unwrap();
                assert!(page.len() <= pages);
                read.extend(page);
            }
            assert!(read == wanted[..wanted.len().min(limit)], "{} of {}: {filter:?}", read.len(), wanted.len());
        }
    }
    assert!(several > 40, "{several}");
    assert_eq!(store.accesses(&AccessFilter { limit: 1000, ..filters[8].clone() }).await.unwrap().len(), 60);
}

/// Scans read each selected access once, in the order of keys after a request.
pub async fn scans_read_every_access_once(store: &Store) {
    let all = mixed(120);
    store.record(&all).await.unwrap();
    let scanned = async |filter: &AccessFilter, after: Option<Uuid>| {
        let mut scan = AccessScan::new(AccessFilter { limit: 1, ..filter.clone() }, after);
        let mut read = Vec::new();
        while !scan.is_over() {
            read.extend(scan.next(store, 50).await.unwrap().iter().map(Access::key));
        }
        read
    };
    let filters = [AccessFilter::default(), filters()[6].clone(), filters()[8].clone(), filters()[12].clone()];
    let middle = Uuid::from_u128(u128::MAX / 2);
    for (filter, after) in filters.iter().flat_map(|filter| [(filter, None), (filter, Some(middle))]) {
        let wanted =
            all.iter().filter(|access| meets(access, filter) && after.is_none_or(|uid| access.request_uid > uid));
        let wanted: BTreeSet<AttemptKey> = wanted.map(Access::key).collect();
        let read = scanned(filter, after).await;
        assert_eq!(read.len(), wanted.len(), "{filter:?}");
        assert_eq!(read.iter().copied().collect::<BTreeSet<_>>(), wanted, "{filter:?}");
        assert!(after.is_none() || read.is_sorted(), "{filter:?}");
    }
    let last = all.iter().map(|access| access.request_uid).max();
    assert_eq!(scanned(&filters[0], last).await, []);
}

/// Counts sum items, and quantiles leave parts of batches out.
pub async fn statistics_count_items_and_leave_parts_out_of_quantiles(store: &Store) {
    let stats = async |filter: &AccessFilter, by: StatsBy| -> Vec<StatsRow> {
        let mut reader = StatsReader::new(filter.clone(), by);
        while !reader.is_over() {
            reader.next(store, 50).await.unwrap();
        }
        reader.finish()
    };
    let any = AccessFilter::default();
    assert_eq!(stats(&any, StatsBy::All).await, [StatsRow::default()], "nothing is counted too");
    assert_eq!(stats(&any, StatsBy::Model).await, []);
    let all = mixed(180);
    store.record(&all).await.unwrap();
    for filter in [any.clone(), filters()[4].clone(), filters()[0].clone(), filters()[17].clone()] {
        let chosen: Vec<&Access> = all.iter().filter(|access| meets(access, &filter)).collect();
        for by in [
            StatsBy::All,
            StatsBy::Model,
            StatsBy::Server,
            StatsBy::Version,
            StatsBy::Caller,
            StatsBy::Status,
            StatsBy::Hour,
            StatsBy::Day,
        ] {
            let rows = stats(&filter, by).await;
            let mut groups: BTreeMap<String, Vec<&Access>> = BTreeMap::new();
            for access in &chosen {
                let second = access.start_access.as_second();
                let group = match by {
                    StatsBy::All => "None None None".to_owned(),
                    StatsBy::Model => format!("None Some({:?}) None", access.model),
                    StatsBy::Server => format!("None Some({:?}) None", access.server),
                    StatsBy::Version => format!("None Some({:?}) {:?}", access.model, access.weights_version),
                    StatsBy::Caller => format!("None Some({:?}) None", access.caller),
                    StatsBy::Status => format!("None Some({:?}) None", access.status.name()),
                    StatsBy::Hour => format!("Some({}) None None", second / 3600),
                    StatsBy::Day => format!("Some({}) None None", second / 86_400),
                };
                groups.entry(group).or_default().push(access);
            }
            assert_eq!(rows.len(), groups.len(), "{by:?} {filter:?}");
            for row in rows {
                let key = format!("{:?} {:?} {:?}", row.key.period, row.key.name, row.key.version);
                let group = &groups[&key];
                let is_failure = |access: &&&Access| AccessFilter::FAILURES.contains(&access.status);
                let items = |access: &&Access| access.items.unwrap_or(1);
                assert_eq!(row.count, group.iter().map(items).sum::<u64>(), "{key}");
                let failed = |access: &&Access| match access.items {
                    None | Some(1) => u64::from(is_failure(&access)).max(access.failed_items.unwrap_or(0)),
                    _ => access.failed_items.unwrap_or(0),
                };
                assert_eq!(row.failed, group.iter().map(failed).sum::<u64>(), "{key}");
                let open = group.iter().filter(|access| access.status == Status::Started);
                assert_eq!(row.open, open.map(items).sum::<u64>(), "{key}");
                let singles = group.iter().filter(|access| items(access) == 1);
                let succeeded = singles.clone().filter(|access| access.status == Status::Succeeded);
                let mut run: Vec<f64> = succeeded.filter_map(|access| access.run_ms).collect();
                run.sort_by(f64::total_cmp);
                assert_eq!(row.run_ms.max, run.last().copied(), "{key}");
                assert_eq!(row.run_ms.p50.is_some(), !run.is_empty());
                if run.len() % 2 == 1 {
                    assert_eq!(row.run_ms.p50, Some(run[run.len() / 2]), "{key}");
                }
                let queue = singles.filter_map(|access| access.queue_ms).max_by(f64::total_cmp);
                assert_eq!(row.queue_ms.max, queue, "{key}");
                let parts = group.iter().filter(|access| items(access) > 1 && access.run_ms.is_some());
                assert_eq!(row.part_items, parts.clone().map(items).sum::<u64>(), "{key}");
                assert!((row.part_ms - parts.filter_map(|access| access.run_ms).sum::<f64>()).abs() < 1e-6, "{key}");
                assert_eq!(row.stdout_bytes, group.iter().map(|access| access.stdout_bytes).sum::<u64>(), "{key}");
            }
        }
    }
    let by_model = stats(&any, StatsBy::Model).await;
    assert!(by_model.windows(2).all(|rows| rows[0].count >= rows[1].count), "the most frequent first: {by_model:?}");
}

/// Sums beyond the integers of a database are cut, and are no error.
pub async fn statistics_of_huge_numbers_are_cut(store: &Store) {
    let huge = |n: u128| Access {
        items: Some(i64::MAX.cast_unsigned()),
        failed_items: Some(i64::MAX.cast_unsigned()),
        stdin_bytes: i64::MAX.cast_unsigned(),
        ..ended(&started(Uuid::from_u128(n), 1, "m", at(0)), Status::Succeeded)
    };
    store.record(&[huge(1), huge(2)]).await.unwrap();
    let mut reader = StatsReader::new(AccessFilter::default(), StatsBy::All);
    while !reader.is_over() {
        reader.next(store, 50).await.unwrap();
    }
    let row = &reader.finish()[0];
    assert!(
        row.count >= i64::MAX.cast_unsigned() && row.failed == row.count && row.stdin_bytes == row.count,
        "{row:?}"
    );
}

/// What began before a time and is over goes, and nothing else; the newest ones stay where a number is given.
pub async fn a_prune_takes_what_is_old_and_over(database: &Database) {
    let mut all = mixed(1300);
    // As many as several steps have began at the same time, and many of them are not over.
    for access in &mut all[..1150] {
        access.start_access = at(0);
    }
    all.sort_by_key(|access| (access.start_access, access.key()));
    let session = database.session().await.unwrap();
    // A server without optimisation takes seconds for a thousand rows.
    for some in all.chunks(200) {
        session.record(some).await.unwrap();
    }
    session.close().await.unwrap();
    let is_over = |access: &&Access| access.status != Status::Started;
    let left = async || {
        let session = database.session().await.unwrap();
        let filter = AccessFilter { limit: usize::MAX, ..AccessFilter::default() };
        let mut left = session.accesses(&filter).await.unwrap();
        session.close().await.unwrap();
        left.reverse();
        left
    };
    let pruned = async |before: Timestamp, keep: Option<u64>, dry_run: bool| {
        let mut steps = 0;
        let pruned = prune(database, PruneRange { before, keep }, dry_run, |_| steps += 1).await.unwrap();
        (pruned, steps)
    };
    let old = |before: Timestamp| all.iter().filter(move |access| access.start_access < before).filter(is_over).count();
    for dry_run in [true, false] {
        assert_eq!(pruned(Timestamp::MIN, None, dry_run).await.0.rows, 0);
        assert_eq!(pruned(at(0), None, dry_run).await.0.rows, 0, "the time itself is not before it");
        assert_eq!(pruned(Timestamp::MAX, Some(1300), dry_run).await.0.rows, 0);
        assert_eq!(pruned(Timestamp::MAX, Some(u64::MAX), dry_run).await.0.rows, 0);
    }
    assert_eq!(left().await.len(), all.len());
    let (counted, steps) = pruned(at(1), None, true).await;
    assert_eq!((counted.rows, counted.oldest, counted.newest), (old(at(1)) as u64, Some(at(0)), Some(at(0))));
    assert!(steps >= 2, "{steps}");
    // Those that began when the 100th began stay too.
    let newest = all[all.len() - 100].start_access;
    let (kept, _) = pruned(Timestamp::MAX, Some(100), true).await;
    assert_eq!(kept.rows, old(newest) as u64);
    assert_eq!(left().await.len(), all.len(), "a dry run deletes nothing");
    let before = at(400);
    // Two at once.
    let (one, other) = tokio::join!(pruned(before, None, false), pruned(before, None, false));
    assert_eq!(one.0.rows + other.0.rows, old(before) as u64);
    let expected: Vec<&Access> =
        all.iter().filter(|access| access.start_access >= before || access.status == Status::Started).collect();
    let found = left().await;
    assert!(found.iter().eq(expected.iter().copied()), "{} of {}", found.len(), expected.len());
    assert_eq!(pruned(before, None, false).await.0.rows, 0, "there is nothing left to do");
    let (rest, _) = pruned(Timestamp::MAX, Some(0), false).await;
    assert_eq!(rest.rows, expected.iter().filter(|access| is_over(access)).count() as u64);
    assert!(left().await.iter().all(|access| access.status == Status::Started));
}
