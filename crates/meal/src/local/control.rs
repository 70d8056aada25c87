//! Controls a local process group: waits for its end, and ends it.

use std::{io, process::Child, sync::Arc, time::Duration};

use mer_core::Exit;
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid},
};

use super::{
    exit_notice::ExitNotice,
    holding::Holding,
    strays::{self, Strays},
    watcher_client::WatcherClient,
};

/// Controls a local process and its group. Signals go to the whole group, and only until the process is reaped, so
/// that they cannot reach another process with the same number.
#[derive(Debug)]
pub(crate) struct LocalControl {
    pid: Pid,
    notice: ExitNotice,
    exit: Option<Exit>,
    watcher: Option<Arc<WatcherClient>>,
    /// The children that left its group. `None` if they are to go on.
    strays: Option<Strays>,
    /// What it holds until its group is gone.
    holding: Option<Holding>,
}

impl LocalControl {
    pub(super) fn new(
        child: &Child,
        watcher: Option<Arc<WatcherClient>>,
        strays: Option<Strays>,
        number: u64,
        grace: Duration,
        holding: Option<Holding>,
    ) -> io::Result<Self> {
        let pid = Pid::from_child(child);
        strays::wait_for(pid);
        if let Some(watcher) = &watcher {
            watcher.add(pid, grace, number);
        }
        let notice = ExitNotice::new(pid);
        // Checked after `control` exists, so that a failure kills the process by dropping it.
        let failed = notice.as_ref().err().and_then(io::Error::raw_os_error);
        let notice = notice.unwrap_or_else(|_| ExitNotice::ended());
        let control = Self { pid, notice, exit: None, watcher, strays, holding };
        failed.map_or(Ok(control), |code| Err(io::Error::from_raw_os_error(code)))
    }

    /// The process ID; the process group has the same number.
    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the process has ended. Neither reaps it nor ends its group. Safe to cancel.
    pub(crate) async fn ended(&self) {
        self.notice.seen().await;
    }

    /// Whether the process has ended.
    #[must_use]
    pub(crate) fn has_ended(&self) -> bool {
        self.exit.is_some() || !matches!(self.peek(), Ok(None))
    }

    /// How it ended. `None` before [`LocalControl::finish`] has returned it.
    #[must_use]
    pub(crate) const fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Sends TERM to the whole group.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends KILL to the whole group.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// If the process has ended: kills what is left of its group, reaps it, and returns how it ended.
    pub(crate) fn finish(&mut self) -> Option<Exit> {
        if self.exit.is_some() {
            return self.exit;
        }
        let seen = match self.peek() {
            Ok(None) => return None,
            Ok(Some(status)) => status_exit(&status),
            // This program was started with SIGCHLD ignored: the kernel has reaped the process, and its status is
            // lost.
            Err(_) => Exit::Lost,
        };
        if seen != Exit::Lost {
            // The rest of the group had its time: it did not hold the pipes, or held them for too long. It is killed
            // while the watcher still lists the group, so that it does not outlive this process if that is killed in
            // between.
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.kill_strays();
        }
        // Removed before the number can be reused, so that the watcher never lists a foreign group.
        if let Some(watcher) = &self.watcher {
            watcher.remove(self.pid);
        }
        if seen != Exit::Lost {
            reap(self.pid);
        }
        strays::waited(self.pid);
        self.holding = None;
        self.exit = Some(seen);
        self.exit
    }

    /// Ends the children that left the group of a process that has ended, with TERM first.
    pub(crate) async fn end_strays(&self) {
        if let Some(strays) = self.left() {
            strays.end().await;
        }
    }

    /// Sends TERM to the children that left the group, if the process has ended.
    pub(crate) fn terminate_strays(&self) {
        if let Some(strays) = self.left() {
            strays.signal(Signal::TERM);
        }
    }

    /// The children that left the group. `None` while the process lives: until then they are its own concern.
    fn left(&self) -> Option<&Strays> {
        self.strays.as_ref().filter(|_| self.exit.is_none() && self.has_ended())
    }

    fn kill_strays(&self) {
        // When a parent is killed, its children are adopted and found only then: hence a few rounds.
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

    /// Checks without reaping.
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
        // A killed process may take a moment to end, and longer within the kernel. The watcher lists it until then.
        let (pid, watcher, strays) = (self.pid, self.watcher.take(), self.strays.take());
        let holding = self.holding.take();
        let reap = move || {
            let _ =
                rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
            if let Some(strays) = strays {
                strays.signal(Signal::KILL);
            }
            if let Some(watcher) = watcher {
                watcher.remove(pid);
            }
            reap(pid);
            strays::waited(pid);
            drop(holding);
        };
        let _ = std::thread::Builder::new().name("mer-reaper".to_owned()).spawn(reap);
    }
}

/// Reaps a process, and the members of its group that this process has adopted and that have ended.
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
