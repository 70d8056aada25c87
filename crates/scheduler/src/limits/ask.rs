//! A request for units.

use std::time::Duration;

use mer_core::Bound;
use mer_meal::Cancel;

use super::evictor::MakeRoom;
use crate::{WaitObserver, placement::Placement};

/// How long a claim holds at least without being renewed.
const LEAST_CLAIM: Duration = Duration::from_secs(90);
/// How long a claim outlasts the process that it is for.
const CLAIM_MARGIN: Duration = Duration::from_secs(30);
/// The time that stands for an `orphanAfter` of `none`.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A request for units.
#[derive(Debug)]
pub(crate) struct UnitsAsk<'a> {
    pub(crate) model: &'a str,
    pub(crate) placement: &'a Placement,
    /// The default of `orphanAfter`.
    pub(crate) orphan_after: Bound,
    pub(crate) priority: i8,
    pub(crate) queue_length: usize,
    pub(crate) queue_timeout: Bound,
    pub(crate) cancel: &'a Cancel,
    pub(crate) observer: Option<&'a WaitObserver>,
    pub(crate) room: &'a dyn MakeRoom,
}

impl UnitsAsk<'_> {
    /// Whether the process runs on this machine, where the watcher knows its end.
    pub(super) fn is_here(&self) -> bool {
        self.placement.is_here()
    }

    /// Returns how long the process may live after its `mer` was last heard from.
    pub(super) fn orphan_time(&self) -> Duration {
        if self.is_here() { Duration::ZERO } else { self.longest_orphan_time() }
    }

    /// Returns how long its claim holds without being renewed.
    pub(super) fn claim_lifetime(&self) -> Duration {
        LEAST_CLAIM.max(self.longest_orphan_time() + CLAIM_MARGIN)
    }

    fn longest_orphan_time(&self) -> Duration {
        let orphan_after = self.placement.conn.orphan_after.unwrap_or(self.orphan_after);
        orphan_after.duration().unwrap_or(LONGEST).saturating_add(self.placement.params.bounds().grace)
    }
}
