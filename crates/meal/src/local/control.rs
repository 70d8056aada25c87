//! The hold on a process group: its end is waited for, and brought about, here.

use std::{io, process::Child, sync::Arc, time::Duration};

use mer_core::Exit;
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid},
};

use super::{
    exit_notice::ExitNotice,
    strays::{self, Strays},
    watcher_client::WatcherClient,
};

/// The hold on a process and its group. Signals go to the whole group, and only while the process has not been reaped,
/// so that they cannot hit a stranger who got its number.
#[derive(Debug)]
pub(crate) struct LocalControl {
    pid: Pid,
    notice: ExitNotice,
    exit: Option<Exit>,
    watch: Option<Arc<WatcherClient>>,
    /// What leaves its group; none where that is to go on.
    strays: Option<Strays>,
}

impl LocalControl {
    pub(super) fn new(
        child: &Child,
        watch: Option<Arc<WatcherClient>>,
        strays: Option<Strays>,
        number: u64,
        grace: Duration,
    ) -> io::Result<Self> {
        let pid = Pid::from_child(child);
        strays::wait_for(pid);
        if let Some(watch) = &watch {
            watch.add(pid, grace, number);
        }
        let notice = ExitNotice::new(pid);
        // Made first and checked after, so that a failure kills by the drop.
        let failed = notice.as_ref().err().and_then(io::Error::raw_os_error);
        let notice = notice.unwrap_or_else(|_| ExitNotice::ended());
        let control = Self { pid, notice, exit: None, watch, strays };
        failed.map_or(Ok(control), |code| Err(io::Error::from_raw_os_error(code)))
    }

    /// The process's number; that of its group is the same.
    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the process has ended. It is not reaped by this, nor is its group ended. Safe to cancel.
    pub(crate) async fn ended(&self) {
        self.notice.seen().await;
    }

    /// Whether the process has ended.
    #[must_use]
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.is_some() || !matches!(self.peek(), Ok(None))
    }

    /// How it ended, once [`LocalControl::finish`] has been called.
    #[must_use]
    pub(crate) const fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// TERM to the whole group.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// KILL to the whole group.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// If the process has ended: kills what is left of its group, reaps it, and says how it ended.
    pub(crate) fn finish(&mut self) -> Option<Exit> {
        if self.exit.is_some() {
            return self.exit;
        }
        let seen = match self.peek() {
            Ok(None) => return None,
            Ok(Some(status)) => status_exit(&status),
            // Whoever started this program had it ignore SIGCHLD: the kernel reaps, and the verdict is lost.
            Err(_) => Exit::Lost,
        };
        if seen != Exit::Lost {
            // What is left has had its chance: it did not hold the pipes, or held them for too long. It goes while the
            // watcher still knows of it: so it does not outlive this process, should that be killed in between.
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.kill_strays();
        }
        // Told before the number can be given away, so that the watcher never holds one that is not ours.
        if let Some(watch) = &self.watch {
            watch.remove(self.pid);
        }
        if seen != Exit::Lost {
            reap(self.pid);
        }
        strays::waited(self.pid);
        self.exit = Some(seen);
        self.exit
    }

    /// If the process has ended: ends what left its group, with TERM first.
    pub(crate) async fn end_strays(&self) {
        if let Some(strays) = self.left() {
            strays.end().await;
        }
    }

    /// TERM to what left its group, if the process has ended.
    pub(crate) fn terminate_strays(&self) {
        if let Some(strays) = self.left() {
            strays.signal(Signal::TERM);
        }
    }

    /// What left the group. As long as the process lives, that is its own business.
    fn left(&self) -> Option<&Strays> {
        self.strays.as_ref().filter(|_| self.exit.is_none() && self.has_ended())
    }

    fn kill_strays(&self) {
        // Where a parent is killed, its children come to light: a few rounds, in case.
        for _ in 0..4 {
            if !self.strays.as_ref().is_some_and(|strays| strays.signal(Signal::KILL)) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if self.exit.is_none() {
            let _ = kill_process_group(self.pid, signal);
            if let Some(strays) = self.left() {
                strays.signal(signal);
            }
        }
    }

    /// Looks without reaping.
    fn peek(&self) -> Result<Option<WaitIdStatus>, Errno> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        rustix::io::retry_on_intr(|| waitid(WaitId::Pid(self.pid), options))
    }
}

impl Drop for LocalControl {
    fn drop(&mut self) {
        if self.exit.is_some() || self.finish().is_some() {
            return;
        }
        self.kill();
        if self.finish().is_some() {
            return;
        }
        // Dying takes a moment, and a process in the kernel may take long. The watcher keeps it until it is over.
        let (pid, watch, strays) = (self.pid, self.watch.take(), self.strays.take());
        let reap = move || {
            let _ =
                rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
            if let Some(strays) = strays {
                strays.signal(Signal::KILL);
            }
            if let Some(watch) = watch {
                watch.remove(pid);
            }
            reap(pid);
            strays::waited(pid);
        };
        let _ = std::thread::Builder::new().name("mer-reaper".to_owned()).spawn(reap);
    }
}

/// Reaps a process, and what of its group this process has adopted and is dead by now.
fn reap(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let _ = waitid(WaitId::Pid(pid), options);
    while matches!(waitid(WaitId::Pgid(Some(pid)), options), Ok(Some(_))) {}
}

fn status_exit(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Lost,
    }
}
