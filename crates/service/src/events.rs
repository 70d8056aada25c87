//! What the caller of the service is told while an operation goes on.

use std::{any::Any, fmt};

use mer_dal::{DalError, DrainReport};

/// Something that takes a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Waiting for the database: for its lock, its server, or its migration.
    Database,
    /// Waiting until warm processes have ended.
    EndingModels,
    /// Moving the last records of the journal into a database on a server.
    MovingRecords,
}

/// Something that happened, and that does not end the operation.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The journal was drained before the log is read.
    JournalDrained {
        /// What was moved, and what was left.
        report: &'a DrainReport,
        /// Why the rest could not be moved.
        stopped: Option<&'a DalError>,
    },
    /// Runs whose process is silent could not be closed as lost.
    SilentRunsLeft {
        /// Why.
        error: &'a DalError,
    },
    /// The database was migrated by a newer MER, and is only read.
    NewerDatabase {
        /// Which version it has.
        error: &'a mer_migrations::MigrationError,
    },
    /// A record was exported that an import refuses.
    UnimportableRecord {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        error: &'a mer_core::Invalid,
    },
}

/// Reports an activity until it is dropped.
#[must_use]
pub struct ActivityGuard(#[expect(dead_code, reason = "only its drop matters")] Option<Box<dyn Any + Send>>);

impl ActivityGuard {
    /// Drops `report` when the activity is over.
    pub fn new(report: impl Any + Send) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports nothing.
    pub const fn none() -> Self {
        Self(None)
    }
}

impl fmt::Debug for ActivityGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivityGuard")
    }
}

/// Takes events. Its methods must not block.
pub trait EventSink: fmt::Debug + Send + Sync {
    /// An activity begins; it is over when the guard is dropped.
    fn begin(&self, activity: Activity) -> ActivityGuard;

    /// Something happened.
    fn notify(&self, event: Event<'_>);
}

/// Takes no notice of any event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn begin(&self, _activity: Activity) -> ActivityGuard {
        ActivityGuard::none()
    }

    fn notify(&self, _event: Event<'_>) {}
}
