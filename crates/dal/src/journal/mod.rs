//! The access journal: what happened is on disk before the database hears of it.
//!
//! Each `mer` process writes one file, its segment, and holds a kernel lock on it for as long as it lives. So a segment
//! whose lock is free has no owner any more, whatever pids and containers say. A segment begins with a header that names
//! its database; every further line is an access, with a checksum in front: first as `started`, then once more with its
//! end. A segment gets its name only when it is locked and has its first lines: nobody ever sees a half-made one.
//!
//! # Promises
//! - [`Durability::Synced`]: the record is on disk, with the segment's name, when [`Journal::started`] returns. Those who
//!   wait at the same time share one fdatasync.
//! - [`Durability::Written`], and every end: the record is with the kernel when the call returns, which survives a
//!   kill -9 of `mer`, and on disk within 100 ms.
//! - An end stands in the segment of its start. A segment that is full is replaced by a new one, and kept locked until
//!   its last open run has ended.
//!
//! # Draining
//! Under a session: a segment without an owner is recorded whole, with `lost` for each start without an end, and removed.
//! A segment in use is recorded as far as it is written, and the place is remembered beside it. All of it may happen
//! twice: the key of an access and the rank of its status decide. Into a server the process that writes a segment drains it
//! too, see [`flush_journal`], while its runs go on. Lines that cannot be read are reported, kept in
//! `corrupt.jsonl`, and skipped; accesses that the database does not take are kept in `refused.jsonl`. A segment that cannot
//! be opened is skipped. Segments of another database are left alone, and so are those of this one at another place: what
//! was dumped and restored, or copied, has the same uid, see [`crate::Location`].

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
