//! The counts of a report.

use std::cmp::Ordering;

use jiff::Timestamp;
use mer_core::Access;
use uuid::Uuid;

use crate::Quantiles;

/// The time of a report, cut into equal periods. Selects runs and trainings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportRange {
    /// Start of the first period.
    pub since: Timestamp,
    /// Length of a period, in seconds, at least 1.
    pub period_seconds: u32,
    /// Number of periods.
    pub periods: u32,
    /// Maximum number of batches, and of the slowest runs.
    pub rows: usize,
}

impl ReportRange {
    /// Returns the end of the last period.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.since.checked_add(self.seconds(self.periods)).unwrap_or(Timestamp::MAX)
    }

    /// Returns the start of a period.
    #[must_use]
    pub fn start(&self, period: u32) -> Timestamp {
        self.since.checked_add(self.seconds(period)).unwrap_or(Timestamp::MAX)
    }

    /// Returns the position of the period of a time within the range.
    #[must_use]
    pub fn period(&self, at: Timestamp) -> Option<u32> {
        let micros = at.as_microsecond().checked_sub(self.since.as_microsecond())?;
        let period = u32::try_from(micros.div_euclid(i64::from(self.period_seconds) * 1_000_000)).ok()?;
        (period < self.periods).then_some(period)
    }

    fn seconds(&self, periods: u32) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(i64::from(self.period_seconds) * i64::from(periods))
    }
}

/// What is known of the accesses of a range. An access of a batch counts its items, any other one counts once.
#[derive(Debug, Default)]
pub struct LogSummary {
    /// Number of all, and of those that did not succeed, of each period that has any.
    pub periods: Vec<(u32, u64, u64)>,
    /// Number of those that are not over.
    pub open: u64,
    /// By model and server, the most accesses first.
    pub latency: Vec<LatencyGroup>,
    /// Accesses with weights, by model, period and version, in this order.
    pub versions: Vec<VersionCount>,
    /// The newest batches, the newest first.
    pub batches: Vec<BatchCount>,
    /// Number of all batches.
    pub batch_count: u64,
    /// The accesses with the longest `runMs`, without parts of batches, the longest first.
    pub slowest: Vec<Access>,
}

/// Accesses of a model on a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LatencyGroup {
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// Number of all.
    pub count: u64,
    /// Number of those that ended and did not succeed.
    pub failed: u64,
    /// Number of those for which the server could not be reached.
    pub unreachable: u64,
    /// `runMs` of those that succeeded, in milliseconds, without parts of batches.
    pub run_ms: Quantiles,
    /// `queueMs` of all, in milliseconds, without parts of batches.
    pub queue_ms: Quantiles,
    /// Start of the last one that reached the server.
    pub last_reached: Option<Timestamp>,
}

impl LatencyGroup {
    /// Orders groups: the most accesses first, equal ones by name.
    pub(crate) fn more_first(one: &Self, other: &Self) -> Ordering {
        let names = |group: &Self| (group.model.clone(), group.server.clone());
        other.count.cmp(&one.count).then_with(|| names(one).cmp(&names(other)))
    }
}

/// Accesses of a version of weights in a period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionCount {
    /// Name of the model.
    pub model: String,
    /// Position of the period.
    pub period: u32,
    /// Version of the weights.
    pub version: u64,
    /// Number of accesses.
    pub count: u64,
}

/// Accesses of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchCount {
    /// Its id.
    pub batch_uid: Uuid,
    /// Name of the model.
    pub model: String,
    /// Start of the first access.
    pub start: Timestamp,
    /// End of the last access that is over.
    pub end: Option<Timestamp>,
    /// Number of items.
    pub items: u64,
    /// Number of those that failed.
    pub failed: u64,
}

impl BatchCount {
    /// Orders batches: the newest first, equal ones by id.
    pub(crate) fn newer_first(one: &Self, other: &Self) -> Ordering {
        other.start.cmp(&one.start).then_with(|| other.batch_uid.cmp(&one.batch_uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_follow_each_other_without_gaps() {
        let since: Timestamp = "2026-05-04T12:00:00Z".parse().expect("a time");
        let range = ReportRange { since, period_seconds: 60, periods: 3, rows: 1 };
        let of = |text: &str| range.period(text.parse().expect(text));
        assert_eq!(of("2026-05-04T11:59:59.999999Z"), None);
        assert_eq!([of("2026-05-04T12:00:00Z"), of("2026-05-04T12:02:59.9Z")], [Some(0), Some(2)]);
        assert_eq!(of("2026-05-04T12:03:00Z"), None);
        assert_eq!((range.start(1).to_string(), range.until().to_string()), {
            ("2026-05-04T12:01:00Z".to_owned(), "2026-05-04T12:03:00Z".to_owned())
        });
        assert_eq!(ReportRange { since: Timestamp::MAX, ..range }.until(), Timestamp::MAX);
    }
}
