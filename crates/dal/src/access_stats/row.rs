//! What accesses are grouped by, and what is known of a group.

use super::quantiles::Quantiles;

/// What accesses are grouped by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StatsBy {
    /// All of them are one group.
    #[default]
    All,
    /// By the name of the model.
    Model,
    /// By the name of the server.
    Server,
    /// By model and version of its weights.
    Version,
    /// By caller.
    Caller,
    /// By state.
    Status,
    /// By the hour (UTC) in which they began.
    Hour,
    /// By the day (UTC) on which they began.
    Day,
}

impl StatsBy {
    /// Returns the length of an hour or a day in seconds; none where groups are no periods.
    #[must_use]
    pub const fn seconds(self) -> Option<i64> {
        match self {
            Self::Hour => Some(3600),
            Self::Day => Some(86_400),
            _ => None,
        }
    }
}

/// What the accesses of a group have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatsKey {
    /// Number of the period since 1970, by hour and by day.
    pub period: Option<i64>,
    /// Name of the model, server, caller or state.
    pub name: Option<String>,
    /// Version of the weights, by version; none without weights.
    pub version: Option<u64>,
}

/// The accesses of a group. An access of a batch counts its items, any other one counts once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatsRow {
    /// What they have in common.
    pub key: StatsKey,
    /// Number of all.
    pub count: u64,
    /// Number of those that ended and did not succeed.
    pub failed: u64,
    /// Number of those that are not over.
    pub open: u64,
    /// `runMs` of those that succeeded, in milliseconds. Without parts of batches.
    pub run_ms: Quantiles,
    /// `queueMs` of all, in milliseconds. Without parts of batches.
    pub queue_ms: Quantiles,
    /// Number of items in parts of batches, each of several items.
    pub part_items: u64,
    /// Sum of the `runMs` of those parts, in milliseconds.
    pub part_ms: f64,
    /// Number of bytes sent to the model.
    pub stdin_bytes: u64,
    /// Number of bytes received from stdout.
    pub stdout_bytes: u64,
}

impl StatsRow {
    /// Returns the rate of items in parts of batches, in items a second of a process; none if there are none.
    #[must_use]
    pub fn items_per_second(&self) -> Option<f64> {
        // Counts of items are far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        (self.part_items > 0 && self.part_ms > 0.0).then(|| self.part_items as f64 * 1000.0 / self.part_ms)
    }
}
