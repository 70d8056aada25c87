//! What a process holds until its group is gone.

use std::{fmt, os::fd::BorrowedFd, time::Duration};

/// What a process holds until its group is gone, such as locks on units of a resource. It is dropped then.
///
/// The watcher holds the descriptors, too, so that a lock stays until the group is gone if this process is killed. A holder
/// that lets go of a lock earlier therefore has to unlock it, and not only to close it.
pub trait Held: fmt::Debug + Send + Sync {
    /// Returns the descriptors that the watcher holds, too.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// Returns how long a process on another machine may live after this process was last heard from.
    fn orphan_time(&self) -> Duration;
}
