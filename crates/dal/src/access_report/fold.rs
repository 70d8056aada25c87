//! Counts accesses that are read one by one.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use mer_core::{Access, Status};
use uuid::Uuid;

use super::summary::{BatchCount, LatencyGroup, LogSummary, ReportRange, VersionCount};
use crate::Quantiles;

/// The counts so far. Takes 16 bytes for each access, because quantiles are exact.
#[derive(Debug, Default)]
pub(super) struct ReportFold {
    periods: BTreeMap<u32, (u64, u64)>,
    open: u64,
    groups: HashMap<(String, String), Durations>,
    versions: BTreeMap<(String, u32, u64), u64>,
    batches: HashMap<Uuid, BatchCount>,
    slowest: Vec<Access>,
}

#[derive(Debug, Default)]
struct Durations {
    counts: LatencyGroup,
    run_ms: Vec<f64>,
    queue_ms: Vec<f64>,
}

impl ReportFold {
    /// Adds an access of the range.
    pub(super) fn add(&mut self, range: &ReportRange, access: Access) {
        let Some(period) = range.period(access.start_access) else { return };
        let (items, failed) = (access.item_count(), access.failed_count());
        let counts = self.periods.entry(period).or_default();
        *counts = (counts.0.saturating_add(items), counts.1.saturating_add(failed));
        if access.status == Status::Started {
            self.open = self.open.saturating_add(items);
        }
        self.add_latency(&access, items, failed);
        if let Some(version) = access.weights_version {
            let count = self.versions.entry((access.model.clone(), period, version)).or_default();
            *count = count.saturating_add(items);
        }
        self.add_to_batch(&access, items, failed);
        if items == 1 && access.run_ms.is_some() {
            self.slowest.push(access);
            // Sorted once in a while.
            if self.slowest.len() > 16 * range.rows.max(1) {
                self.keep_slowest(range.rows);
            }
        }
    }

    fn add_latency(&mut self, access: &Access, items: u64, failed: u64) {
        let group = self.groups.entry((access.model.clone(), access.server.clone())).or_default();
        let counts = &mut group.counts;
        counts.count = counts.count.saturating_add(items);
        counts.failed = counts.failed.saturating_add(failed);
        if access.status == Status::Unreachable {
            counts.unreachable = counts.unreachable.saturating_add(1);
        } else {
            counts.last_reached = counts.last_reached.max(Some(access.start_access));
        }
        if items == 1 {
            group.run_ms.extend(access.run_ms.filter(|_| access.status == Status::Succeeded));
            group.queue_ms.extend(access.queue_ms);
        }
    }

    fn add_to_batch(&mut self, access: &Access, items: u64, failed: u64) {
        let Some(batch_uid) = access.batch_uid else { return };
        let batch = self.batches.entry(batch_uid).or_insert_with(|| BatchCount {
            batch_uid,
            model: access.model.clone(),
            start: access.start_access,
            end: None,
            items: 0,
            failed: 0,
        });
        batch.start = batch.start.min(access.start_access);
        batch.end = batch.end.max(access.stop_access);
        batch.items = batch.items.saturating_add(items);
        batch.failed = batch.failed.saturating_add(failed);
    }

    fn keep_slowest(&mut self, rows: usize) {
        let longer = |one: &Access, other: &Access| {
            let by_time = other.run_ms.partial_cmp(&one.run_ms).unwrap_or(Ordering::Equal);
            by_time.then_with(|| one.key().cmp(&other.key()))
        };
        self.slowest.sort_by(longer);
        self.slowest.truncate(rows);
    }

    /// Returns the counts.
    pub(super) fn finish(mut self, range: &ReportRange) -> LogSummary {
        self.keep_slowest(range.rows);
        let group = |((model, server), group): ((String, String), Durations)| LatencyGroup {
            model,
            server,
            run_ms: Quantiles::of(group.run_ms),
            queue_ms: Quantiles::of(group.queue_ms),
            ..group.counts
        };
        let mut latency: Vec<LatencyGroup> = self.groups.into_iter().map(group).collect();
        latency.sort_by(LatencyGroup::more_first);
        let batch_count = self.batches.len() as u64;
        let mut batches: Vec<BatchCount> = self.batches.into_values().collect();
        batches.sort_by(BatchCount::newer_first);
        batches.truncate(range.rows);
        let version = |((model, period, version), count)| VersionCount { model, period, version, count };
        LogSummary {
            periods: self.periods.into_iter().map(|(period, (count, failed))| (period, count, failed)).collect(),
            open: self.open,
            latency,
            versions: self.versions.into_iter().map(version).collect(),
            batches,
            batch_count,
            slowest: self.slowest,
        }
    }
}
