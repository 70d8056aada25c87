//! How room is made for a process that waits for units.

use std::fmt;

/// Ends processes that are not needed now.
pub(crate) trait MakeRoom: fmt::Debug + Send + Sync {
    /// Ends idle processes that hold units of a resource of a machine, the ones that were used least recently first, until
    /// `missing` units become free or no such process is left. Processes that are being ended already count.
    fn make_room(&self, pool: &str, resource: &str, missing: usize);
}
