//! Collects the statistics of accesses that are read one by one.

use std::collections::HashMap;

use mer_core::{Access, Status};

use super::{
    quantiles::Quantiles,
    row::{StatsBy, StatsKey, StatsRow},
};

/// The groups so far. Takes 8 bytes for each duration, because quantiles are exact.
#[derive(Debug, Default)]
pub(super) struct StatsFold {
    groups: HashMap<StatsKey, Group>,
}

#[derive(Debug, Default)]
struct Group {
    counts: StatsRow,
    run_ms: Vec<f64>,
    queue_ms: Vec<f64>,
}

impl StatsFold {
    /// Adds an access to its group.
    pub(super) fn add(&mut self, by: StatsBy, access: &Access) {
        let group = self.groups.entry(key(by, access)).or_default();
        let counts = &mut group.counts;
        let items = access.item_count();
        counts.count = counts.count.saturating_add(items);
        if access.status == Status::Started {
            counts.open = counts.open.saturating_add(items);
        }
        counts.failed = counts.failed.saturating_add(access.failed_count());
        counts.stdin_bytes = counts.stdin_bytes.saturating_add(access.stdin_bytes);
        counts.stdout_bytes = counts.stdout_bytes.saturating_add(access.stdout_bytes);
        if items == 1 {
            group.run_ms.extend(access.run_ms.filter(|_| access.status == Status::Succeeded));
            group.queue_ms.extend(access.queue_ms);
        } else if let Some(run_ms) = access.run_ms.filter(|_| items > 1) {
            counts.part_items = counts.part_items.saturating_add(items);
            counts.part_ms += run_ms;
        }
    }

    /// Returns the groups in no order.
    pub(super) fn finish(self) -> Vec<StatsRow> {
        let row = |(key, group): (StatsKey, Group)| StatsRow {
            key,
            run_ms: Quantiles::of(group.run_ms),
            queue_ms: Quantiles::of(group.queue_ms),
            ..group.counts
        };
        self.groups.into_iter().map(row).collect()
    }
}

/// Returns the group of an access.
fn key(by: StatsBy, access: &Access) -> StatsKey {
    let name = match by {
        StatsBy::All | StatsBy::Hour | StatsBy::Day => None,
        StatsBy::Model | StatsBy::Version => Some(access.model.clone()),
        StatsBy::Server => Some(access.server.clone()),
        StatsBy::Caller => Some(access.caller.clone()),
        StatsBy::Status => Some(access.status.name().to_owned()),
    };
    StatsKey {
        period: by.seconds().map(|seconds| access.start_access.as_microsecond().div_euclid(seconds * 1_000_000)),
        name,
        version: access.weights_version.filter(|_| by == StatsBy::Version),
    }
}
