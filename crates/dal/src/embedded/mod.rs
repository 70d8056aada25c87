//! The engine inside this process: the lease on its folder, the thread that owns it, the snapshot it leaves.
//!
//! # One lease
//! 1. `X.lock` is locked: a kernel lock with a bounded wait, which the kernel releases if the process dies. A caller that
//!    only needs the registry looks at the snapshot now, and may be done.
//! 2. A thread opens the engine, see [`engine`]. It waits for another program that has the engine open.
//! 3. The session works; [`memtable`] says how many bytes it may write.
//! 4. Closing: operations that still run are awaited; the registry is read if it may have changed; the last handle is
//!    dropped, and the engine closes on threads of its own. Its file `LOCK` is polled: once we hold it, the engine is closed.
//! 5. With that lock held the snapshot is written, see [`snapshot`]. Then `X.lock` is released.
//!
//! The thread also does 4 and 5 if the session is dropped without being closed.

pub(crate) mod engine;
mod engine_lock;
mod fingerprint;
mod folder;
mod lease;
mod lease_file;
mod limits;
mod memory;
mod memtable;
pub(crate) mod paths;
mod snapshot;
mod snapshot_cache;

pub(crate) use lease::{Lease, Opened, open, open_or_load};
pub(crate) use memory::Memory;
pub(crate) use memtable::MemtableSize;
pub(crate) use mer_files::try_lock;
pub use snapshot::Snapshot;
pub(crate) use snapshot_cache::SnapshotCache;
