//! What a process holds until its group is gone.

use std::{
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

/// The lowest descriptor that a program inherits a lock with. The shells between use those below.
const FIRST_INHERITED: i32 = 40;

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

/// Returns copies of the descriptors, which every program inherits that is started before they are dropped. A lock stays until
/// the last of those programs has ended.
///
/// # Errors
/// There are too many open files.
pub fn inherited_descriptors(held: &dyn Held) -> io::Result<Vec<OwnedFd>> {
    let copy = |fd| {
        let copy = fcntl_dupfd_cloexec(fd, FIRST_INHERITED)?;
        fcntl_setfd(&copy, FdFlags::empty())?;
        Ok(copy)
    };
    held.descriptors().into_iter().map(copy).collect()
}
