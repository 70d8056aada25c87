//! The engine inside this process: the lease on its folder, the thread that owns it, the snapshot it leaves.
//!
//! # One lease
//! 1. `X.lock` is locked: a kernel lock, waited for with a bound, released by the kernel whatever becomes of its holder.
//!    Who only wants the registry looks at the snapshot now, and may be done.
//! 2. A thread opens the engine, see [`engine`]. Another program that has the engine open is waited for.
//! 3. The session works; for how long, and for how many bytes, see [`memtable`].
//! 4. Closing: what still runs is waited for; the registry is read where it may have changed; the last handle is dropped,
//!    and the engine closes behind our back. Its own `LOCK` is polled: once it is ours, the engine is closed.
//! 5. With that lock in hand the snapshot is written, see [`snapshot`]. Then `X.lock` is released.
//!
//! The thread does all of 4 and 5 also when the session is merely dropped.

pub(crate) mod engine;
mod fingerprint;
mod folder;
mod lease;
mod limits;
mod memory;
mod memtable;
pub(crate) mod paths;
mod snapshot;
mod snapshot_cache;

pub(crate) use lease::{Lease, lease, lease_or_snapshot};
pub(crate) use memory::Memory;
pub(crate) use memtable::MemtableSize;
pub(crate) use mer_files::try_lock;
pub use snapshot::Snapshot;
pub(crate) use snapshot_cache::SnapshotCache;

/// What is at hand of a database: its registry as the last lease left it, or the database itself.
#[derive(Debug)]
pub enum SnapshotOrSession {
    /// The registry.
    Snapshot(std::sync::Arc<Snapshot>),
    /// The database. As ever it is to be closed.
    Session(Box<crate::Session>),
}
