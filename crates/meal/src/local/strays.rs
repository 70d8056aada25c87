//! Strays: children of a model that left its process group (`setsid`, Python's `start_new_session`), so that a signal
//! to the group does not reach them. They carry the mark of their process in their environment, and are ended when it
//! has ended.
//!
//! Searching must cost almost nothing, because few models have strays. This process therefore adopts orphans of its
//! models (PR_SET_CHILD_SUBREAPER), and searches its own children only. If the kernel does not list them, all
//! processes are searched.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group, set_child_subreaper, waitid,
};
use tokio::time::sleep;

use crate::watcher::{Mark, ScannedProcess, scan, scan_one, stat};

/// Time between two searches.
const SEARCH_PAUSE: Duration = Duration::from_millis(5);
/// How long strays may take to end after TERM, and after KILL.
const TERM_WAIT: Duration = Duration::from_millis(250);
const KILL_WAIT: Duration = Duration::from_secs(2);
/// Time between two checks for orphans to reap. It doubles while there are none, up to the second one, because each check wakes
/// the process.
const ORPHAN_CHECK: Duration = Duration::from_secs(2);
const SELDOM_CHECK: Duration = Duration::from_secs(16);

/// The children that a part of this process waits for.
static WAITED_FOR: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Registers a child that is waited for.
pub(super) fn wait_for(child: Pid) {
    waited_for(|children| children.insert(child.as_raw_nonzero().get()));
}

/// Removes a child that was reaped.
pub(super) fn waited(child: Pid) {
    waited_for(|children| children.remove(&child.as_raw_nonzero().get()));
}

fn waited_for<T>(with: impl FnOnce(&mut BTreeSet<i32>) -> T) -> T {
    with(&mut WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Makes this process adopt the orphans of its models. Returns whether it does.
fn adopt() -> bool {
    static ADOPTS: OnceLock<bool> = OnceLock::new();
    *ADOPTS.get_or_init(|| set_child_subreaper(Some(getpid())).is_ok() && children().is_some())
}

/// Adopts orphans, and reaps them for as long as the runtime lives.
pub(super) fn adopt_and_reap() {
    // As process 1, `mer` reaps orphans from its start.
    if adopt() && !getpid().is_init() && tokio::runtime::Handle::try_current().is_ok() {
        tokio::spawn(reap_orphans());
    }
}

/// Reaps, forever, dead children that no part of this process waits for: adopted orphans. A child that was dead at
/// one check and still exists at the next has no waiter.
pub async fn reap_orphans() {
    let mut pause = ORPHAN_CHECK;
    let mut before = BTreeSet::new();
    loop {
        sleep(pause).await;
        let dead: BTreeSet<i32> = children()
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| !waited_for(|children| children.contains(pid)) && is_zombie(*pid))
            .collect();
        dead.intersection(&before).for_each(|pid| reap(*pid));
        pause = if dead.is_empty() { (2 * pause).min(SELDOM_CHECK) } else { ORPHAN_CHECK };
        before = dead;
    }
}

/// The strays of one process, found by its mark.
#[derive(Debug)]
pub(super) struct Strays {
    mark: Mark,
    /// The processes that were signalled. A dying process loses its environment, and with it the mark, a moment
    /// before it is gone.
    signalled: Mutex<BTreeSet<i32>>,
}

impl Strays {
    pub(super) const fn of(mark: Mark) -> Self {
        Self { mark, signalled: Mutex::new(BTreeSet::new()) }
    }

    fn signalled(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.signalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all of them a signal. Returns whether there were any.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        let found = self.search();
        found.iter().for_each(|one| self.send(*one, signal));
        !found.is_empty()
    }

    fn send(&self, one: ScannedProcess, signal: Signal) {
        self.signalled().insert(one.pid);
        let Some(pid) = Pid::from_raw(one.pid) else { return };
        // The leader of a group gets the signal for its whole group.
        let _ = if one.group == one.pid { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
    }

    /// Ends them: TERM, a moment, KILL. Returns when they are gone, or after the time that dying may take.
    pub(super) async fn end(&self) {
        for (signal, wait) in [(Signal::TERM, TERM_WAIT), (Signal::KILL, KILL_WAIT)] {
            let begin = Instant::now();
            let mut signalled = BTreeSet::new();
            loop {
                let found = self.search();
                if found.is_empty() && (begin.elapsed() > wait || !self.signalled().iter().any(|pid| lives(*pid))) {
                    return;
                }
                if begin.elapsed() > wait {
                    break;
                }
                // When a parent has gone, its children are adopted one by one.
                for one in found.iter().filter(|one| signalled.insert(one.pid)) {
                    tracing::debug!(pid = one.pid, ?signal, "a child that left its process group is ended");
                    self.send(*one, signal);
                }
                sleep(SEARCH_PAUSE).await;
            }
        }
        tracing::warn!("a child of a model that left its process group could not be ended");
    }

    fn search(&self) -> Vec<ScannedProcess> {
        let is_stray = |pid: i32| !waited_for(|children| children.contains(&pid));
        match children().filter(|_| adopt()) {
            Some(children) => {
                let strays = children.into_iter().filter(|pid| is_stray(*pid));
                strays.filter_map(|pid| scan_one(pid, Some(&self.mark), |_| false)).collect()
            }
            None => {
                let found = scan(Some(&self.mark), |_| false).unwrap_or_default();
                found.into_iter().filter(|one| is_stray(one.pid)).collect()
            }
        }
    }
}

/// The children of the main thread, which adopts. `None` if the kernel does not list them.
fn children() -> Option<Vec<i32>> {
    let pid = std::process::id();
    let list = mer_files::read_external_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

fn is_zombie(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == b'Z')
}

fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, b'Z' | b'X'))
}

fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::{ffi::OsStrExt as _, fs::symlink, process::CommandExt as _},
        process::Command,
    };

    use super::*;

    #[test]
    fn a_name_may_have_any_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = b"\xff) Z (\xfe";
        let program = folder.path().join(OsStr::from_bytes(name));
        symlink("/bin/sleep", &program).expect("a link");
        let mut child = Command::new(program).arg0("sleep").arg("60").spawn().expect("started");
        let pid = Pid::from_child(&child).as_raw_nonzero().get();
        let until = |what: &str, seen: &dyn Fn() -> bool| {
            mer_testkit::processes::until(what, Duration::from_secs(30), seen);
        };
        until("it has its name", &|| fs::read(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.starts_with(name)));
        assert!(lives(pid) && !is_zombie(pid));
        child.kill().expect("killed");
        until("it is dead", &|| is_zombie(pid) && !lives(pid));
        child.wait().expect("reaped");
        assert!(!is_zombie(pid) && !lives(pid));
    }
}
