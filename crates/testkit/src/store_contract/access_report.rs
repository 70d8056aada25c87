//! The counts of a report are those of the accesses of its time, on every database.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mer_core::{Access, AccessKind, Status};
use mer_dal::{AccessFilter, LogSummary, ReportRange, ReportReader, Store};
use uuid::Uuid;

use crate::{ended, started};

fn since() -> Timestamp {
    Timestamp::from_second(1_700_000_040).unwrap()
}

/// Accesses before, within and after the time of the report.
fn accesses() -> Vec<Access> {
    let statuses = [Status::Succeeded, Status::Started, Status::Failed, Status::Unreachable, Status::Lost];
    let access = |n: u32| {
        let start = since() + SignedDuration::from_millis(i64::from(n) * 2_700 - 60_000);
        let begun = started(Uuid::from_u128(u128::from(n) + 1), 1, ["one", "t'wo", "%"][n as usize % 3], start);
        let status = statuses[n as usize / 2 % 5];
        let over = if status == Status::Started { begun } else { ended(&begun, status) };
        Access {
            server: ["local", "gpu"][n as usize / 3 % 2].to_owned(),
            kind: if n.is_multiple_of(11) { AccessKind::Ping } else { AccessKind::Infer },
            weights_version: (!n.is_multiple_of(4)).then_some(u64::from(n / 30) + 1),
            run_ms: (!n.is_multiple_of(5)).then_some(f64::from(n * 7919 % 1000)),
            queue_ms: Some(f64::from(n % 17)),
            batch_uid: n.is_multiple_of(6).then(|| Uuid::from_u128(u128::from(n / 60) + 7)),
            items: n.is_multiple_of(12).then_some(25),
            failed_items: n.is_multiple_of(24).then_some(3),
            ..over
        }
    };
    (0..170).map(access).collect()
}

fn items(access: &Access) -> u64 {
    access.items.unwrap_or(1)
}

fn failures(access: &Access) -> u64 {
    let fails = items(access) == 1 && AccessFilter::FAILURES.contains(&access.status);
    u64::from(fails).max(access.failed_items.unwrap_or(0))
}

/// Counts of periods, models and servers, versions and batches, and the slowest runs.
pub async fn a_report_counts_each_access_of_its_time_once(store: &Store) {
    let range = ReportRange { since: since(), period_seconds: 60, periods: 5, rows: 4 };
    let read = async || -> LogSummary {
        let mut reader = ReportReader::new(range);
        while !reader.is_over() {
            reader.next(store, 37).await.unwrap();
        }
        reader.finish()
    };
    let nothing = read().await;
    assert!(nothing.periods.is_empty() && nothing.latency.is_empty() && nothing.slowest.is_empty());

    let all = accesses();
    store.record(&all).await.unwrap();
    let is_chosen = |access: &&Access| {
        (range.since..range.until()).contains(&access.start_access) && access.kind == AccessKind::Infer
    };
    let chosen: Vec<&Access> = all.iter().filter(is_chosen).collect();
    assert!(chosen.len() > 80 && chosen.len() < all.len() - 40);
    let summary = read().await;

    let mut periods: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut groups: BTreeMap<(&str, &str), Vec<&Access>> = BTreeMap::new();
    let mut versions: BTreeMap<(&str, u32, u64), u64> = BTreeMap::new();
    let mut batches: BTreeMap<Uuid, Vec<&Access>> = BTreeMap::new();
    for access in &chosen {
        let period = range.period(access.start_access).unwrap();
        let counts = periods.entry(period).or_default();
        *counts = (counts.0 + items(access), counts.1 + failures(access));
        groups.entry((&access.model, &access.server)).or_default().push(access);
        if let Some(version) = access.weights_version {
            *versions.entry((&access.model, period, version)).or_default() += items(access);
        }
        if let Some(batch) = access.batch_uid {
            batches.entry(batch).or_default().push(access);
        }
    }
    let wanted: Vec<_> = periods.into_iter().map(|(period, (count, failed))| (period, count, failed)).collect();
    assert_eq!(summary.periods, wanted);
    let open = chosen.iter().filter(|access| access.status == Status::Started).map(|access| items(access)).sum::<u64>();
    assert_eq!(summary.open, open);

    assert_eq!(summary.latency.len(), groups.len());
    assert!(summary.latency.is_sorted_by_key(|group| std::cmp::Reverse(group.count)));
    for group in &summary.latency {
        let members = &groups[&(group.model.as_str(), group.server.as_str())];
        let sum = |of: fn(&Access) -> u64| members.iter().map(|access| of(access)).sum::<u64>();
        assert_eq!((group.count, group.failed), (sum(items), sum(failures)), "{group:?}");
        let unreachable = members.iter().filter(|access| access.status == Status::Unreachable).count();
        assert_eq!(group.unreachable, unreachable as u64, "{group:?}");
        let reached = members.iter().filter(|access| access.status != Status::Unreachable);
        assert_eq!(group.last_reached, reached.map(|access| access.start_access).max(), "{group:?}");
        let single = members.iter().filter(|access| items(access) == 1);
        let run = |access: &&&Access| access.run_ms.filter(|_| access.status == Status::Succeeded);
        let longest = single.clone().filter_map(|access| run(&access)).max_by(f64::total_cmp);
        assert_eq!(group.run_ms.max, longest, "{group:?}");
        assert_eq!(group.queue_ms.max, single.filter_map(|access| access.queue_ms).max_by(f64::total_cmp), "{group:?}");
    }

    let counted: Vec<_> =
        summary.versions.iter().map(|one| ((one.model.as_str(), one.period, one.version), one.count)).collect();
    assert_eq!(counted, versions.into_iter().collect::<Vec<_>>());

    assert_eq!(summary.batch_count, batches.len() as u64);
    assert_eq!(summary.batches.len(), batches.len().min(range.rows));
    assert!(summary.batches.is_sorted_by_key(|batch| std::cmp::Reverse(batch.start)));
    for batch in &summary.batches {
        let members = &batches[&batch.batch_uid];
        let sum = |of: fn(&Access) -> u64| members.iter().map(|access| of(access)).sum::<u64>();
        assert_eq!((batch.items, batch.failed), (sum(items), sum(failures)), "{batch:?}");
        let ends = members.iter().filter_map(|access| access.stop_access);
        assert_eq!((Some(batch.start), batch.end), {
            (members.iter().map(|access| access.start_access).min(), ends.max())
        });
    }

    let mut longest: Vec<&&Access> =
        chosen.iter().filter(|access| items(access) == 1 && access.run_ms.is_some()).collect();
    longest.sort_by(|one, other| other.run_ms.partial_cmp(&one.run_ms).unwrap().then(one.key().cmp(&other.key())));
    let keys: Vec<_> = longest.iter().take(range.rows).map(|access| access.key()).collect();
    assert_eq!(summary.slowest.iter().map(Access::key).collect::<Vec<_>>(), keys);
}
