//! Our end of the watcher: it is started beside the first model, and told which process groups there are.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    io::{self, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mer_core::not_started;
use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};

use super::{exit_notice::ExitNotice, strays};
use crate::watcher::mark_value;

/// One that was killed sooner than this after its start is not replaced at once: something kills all of them.
const HEALTHY: Duration = Duration::from_secs(1);

/// The watcher as seen from here. One for an executor and its clones.
#[derive(Debug)]
pub(super) struct WatcherClient {
    program: PathBuf,
    argv: Vec<String>,
    nonce: String,
    /// The number of the next model.
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live: Option<WatcherProcess>,
    /// What a new watcher has to be told if this one dies. By group, the grace in milliseconds.
    groups: BTreeMap<i32, u128>,
    /// The greatest number of a model that it was told.
    told: u64,
}

#[derive(Debug)]
struct WatcherProcess {
    /// Its closing is the message that we are gone.
    pipe: std::fs::File,
    child: Child,
}

impl WatcherClient {
    pub(super) fn new(program: PathBuf, argv: Vec<String>) -> Self {
        Self { program, argv, nonce: nonce(), next: AtomicU64::new(1), state: Mutex::default() }
    }

    /// The number of a model, and the mark that it carries in its environment.
    pub(super) fn mark(&self, leave_children: bool) -> (u64, String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, mark_value(&self.nonce, number, leave_children))
    }

    /// Starts the watcher where it does not run.
    pub(super) fn ensure(self: &Arc<Self>) -> io::Result<()> {
        let mut state = self.lock();
        if state.live.is_some() {
            return Ok(());
        }
        let mut hello = format!("nonce {}\ntold {}\n", self.nonce, state.told);
        for (group, grace) in &state.groups {
            hello.push_str(&format!("+{group} {grace}\n"));
        }
        let live = state.live.insert(self.spawn()?);
        self.attend(&live.child);
        // One that is not told all is waited for no more than one that has ended.
        live.pipe.write_all(hello.as_bytes()).inspect_err(|_| state.forget())
    }

    pub(super) fn add(self: &Arc<Self>, group: Pid, grace: Duration, number: u64) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        state.groups.insert(group, grace.as_millis());
        state.told = state.told.max(number);
        if !state.write_line(&format!("+{group} {} {number}\n", grace.as_millis())) {
            // It died (killed for memory, by an admin): another one takes over all groups.
            drop(state);
            self.replace();
        }
    }

    fn replace(self: &Arc<Self>) {
        if let Err(error) = self.ensure() {
            tracing::warn!(%error, "the watcher could not be started again: models would outlive a killed `mer`");
        }
    }

    /// Waits for the end of a watcher, and starts another one if there are models that need it: whatever killed it may kill
    /// this process next.
    fn attend(self: &Arc<Self>, child: &Child) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pid = Pid::from_child(child);
        let Ok(notice) = ExitNotice::new(pid) else { return };
        let (watch, begin) = (Arc::downgrade(self), Instant::now());
        runtime.spawn(async move {
            notice.seen().await;
            tokio::time::sleep(HEALTHY.saturating_sub(begin.elapsed())).await;
            let Some(watch) = watch.upgrade() else { return };
            if watch.has_lost(pid) {
                tracing::warn!(
                    "the watcher, which ends models when `mer` is killed, was killed; another one is started"
                );
                watch.replace();
            }
        });
    }

    /// Forgets a watcher that has ended. Whether models are without one now.
    fn has_lost(&self, pid: Pid) -> bool {
        let mut state = self.lock();
        if state.live.as_ref().is_some_and(|live| Pid::from_child(&live.child) == pid) {
            state.forget();
        }
        state.live.is_none() && !state.groups.is_empty()
    }

    pub(super) fn remove(&self, group: Pid) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        state.groups.remove(&group);
        state.write_line(&format!("-{group}\n"));
    }

    fn spawn(&self) -> io::Result<WatcherProcess> {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        // Never let a watcher that was stopped stop us.
        rustix::io::ioctl_fionbio(&ours, true)?;
        let mut command = Command::new(&self.program);
        command.args(&self.argv).env_clear().current_dir("/");
        // A group of its own: the terminal's Ctrl-C is not for it.
        command.process_group(0);
        // It has nothing to say, and must hold none of our streams open. An empty root folder has no `/dev/null`: a pipe that
        // nobody reads does as well.
        let (_unread, nowhere) = pipe_with(PipeFlags::CLOEXEC)?;
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(nowhere.try_clone()?)).stderr(Stdio::from(nowhere));
        let child = command.spawn().map_err(not_started)?;
        strays::wait_for(Pid::from_child(&child));
        Ok(WatcherProcess { pipe: OwnedFd::into(ours), child })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a line; false where the watcher is gone. Lines are shorter than PIPE_BUF, so they are written whole.
    fn write_line(&mut self, line: &str) -> bool {
        let Some(live) = &mut self.live else { return false };
        match live.pipe.write(line.as_bytes()) {
            Ok(_) => true,
            // It is stopped, and the pipe full: the environment of the models still tells it enough.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(_) => {
                self.forget();
                false
            }
        }
    }

    fn forget(&mut self) {
        if let Some(mut live) = self.live.take() {
            let _ = live.child.try_wait();
            strays::waited(Pid::from_child(&live.child));
        }
    }
}

impl Drop for WatcherClient {
    fn drop(&mut self) {
        self.lock().write_line("bye\n");
    }
}

/// Something nobody else has in an environment. The hasher's keys come from the kernel's random numbers.
fn nonce() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{}-{:016x}{:016x}", std::process::id(), word(), word())
}
