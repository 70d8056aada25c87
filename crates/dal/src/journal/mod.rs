//! The access journal: a record is on disk before the database gets it.
//!
//! Each `mer` process writes one file, its segment, and holds a kernel lock on it for as long as the process lives. So
//! a segment whose lock is free has no owner any more, whatever pids and containers say. A segment begins with a header
//! that names its database; every further line is an access with a checksum in front: first as `started`, then once
//! more with its end. A segment gets its name only when it is locked and has its first lines, so no process ever sees
//! an unfinished one.
//!
//! # Promises
//! - [`Durability::Synced`]: the record is on disk, with the segment's name, when [`Journal::started`] returns. Calls
//!   that wait at the same time share one fdatasync.
//! - [`Durability::Written`], and every end: the record is with the kernel when the call returns, and survives a kill
//!   -9 of `mer`; it is on disk within 100 ms.
//! - An end is in the segment of its start. A full segment is replaced by a new one, and kept locked until its last
//!   open run has ended.
//!
//! # Draining
//! A segment without an owner is recorded whole, with `lost` for each start without an end, and removed. A segment in
//! use is recorded as far as it is written, and how far is noted in a file beside it. Repeating any of that changes
//! nothing: the key of an access and the rank of its status decide. Into a server the process that writes a segment
//! also drains it while its runs go on, see [`flush_journal`]. Lines that cannot be read are reported, copied to
//! `corrupt.jsonl`, and skipped; accesses that the database refuses are copied to `refused.jsonl`. A segment that
//! cannot be opened is skipped. Segments of another database are left alone, and so are those of this database at
//! another location: a restored dump or a copy has the same uid, see [`crate::Location`].

mod drain;
mod error;
mod files;
mod flush;
mod format;
mod quarantine;
mod record;
mod report;
mod scan;
mod segment;
mod segment_drain;
mod segment_owner;
mod sync;
#[cfg(test)]
mod tests;
mod writer;

pub use drain::drain;
pub use error::JournalError;
pub use files::Pending;
pub(crate) use files::pending;
pub use flush::{flush_journal, has_orphaned_segments, keep_alive};
pub use report::{DrainOptions, DrainReport, Drained, Elsewhere, Skipped};
pub use writer::{Durability, Journal, JournalOwner};
