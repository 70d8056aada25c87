//! How the end of a child process is noticed, without reaping it.

use std::{io, os::fd::OwnedFd};

use mer_core::not_started;
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
};

/// Notices the end of a child process.
#[derive(Debug)]
pub(super) enum ExitNotice {
    Pidfd(AsyncFd<OwnedFd>),
    /// For kernels without pidfd_open: a thread that waits.
    Thread(watch::Receiver<bool>),
}

impl ExitNotice {
    /// The notice of a process that has ended already.
    pub(super) fn ended() -> Self {
        Self::Thread(watch::channel(true).1)
    }

    /// Waits until the process has ended. Safe to cancel.
    pub(super) async fn seen(&self) {
        match self {
            Self::Pidfd(fd) => drop(fd.readable().await),
            Self::Thread(done) => drop(done.clone().wait_for(|done| *done).await),
        }
    }

    pub(super) fn new(pid: Pid) -> io::Result<Self> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => register(fd).map(Self::Pidfd),
            Err(Errno::NOSYS | Errno::PERM) => Self::thread(pid),
            Err(errno) => Err(errno.into()),
        }
    }

    fn thread(pid: Pid) -> io::Result<Self> {
        let (done, seen) = watch::channel(false);
        let wait = move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options));
            let _ = done.send(true);
        };
        std::thread::Builder::new().name("mer-wait".to_owned()).spawn(wait).map_err(not_started)?;
        Ok(Self::Thread(seen))
    }
}

#[expect(deprecated, reason = "sound here: an OwnedFd stays open as long as it is owned; its successor is unsafe")]
fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
