//! Starts the watcher beside the first model, and tells it the process groups.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
    io::{self, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mer_core::not_started;
use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};

use super::{exit_notice::ExitNotice, strays};
use crate::{
    Held,
    watcher::{mark_value, send_descriptors, socket_pair},
};

/// A watcher that was killed sooner than this after its start is not replaced at once, because something may kill
/// every one.
const HEALTHY: Duration = Duration::from_secs(1);
/// Number of attempts to start one that something kills at once.
const START_TRIES: u32 = 4;
/// How often descriptors are sent again to a watcher that is slow, and the pause between.
const SEND_TRIES: u32 = 10;
const SEND_PAUSE: Duration = Duration::from_millis(5);

/// The watcher, as this process sees it. One for an executor and its clones.
#[derive(Debug)]
pub(crate) struct WatcherClient {
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
    /// Grace period in milliseconds and number by group, to be told to a new watcher if this one dies.
    groups: BTreeMap<i32, (u128, u64)>,
    /// What it holds for processes, by their numbers, and for how long after the end of this process.
    held: BTreeMap<u64, (Weak<dyn Held>, Option<Duration>)>,
    /// The greatest number of a model that the watcher was told.
    highest_number: u64,
}

#[derive(Debug)]
struct WatcherProcess {
    /// Its end of file tells the watcher that this process is gone.
    pipe: std::fs::File,
    /// Carries descriptors.
    socket: OwnedFd,
    child: Child,
}

impl WatcherClient {
    pub(super) fn new(program: PathBuf, argv: Vec<String>) -> Self {
        Self { program, argv, nonce: nonce(), next: AtomicU64::new(1), state: Mutex::default() }
    }

    /// Returns the number of a model, and the mark for its environment.
    pub(crate) fn mark(&self, leave_children: bool) -> (u64, String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, mark_value(&self.nonce, number, leave_children))
    }

    /// Starts the watcher, if it does not run.
    pub(super) fn ensure(self: &Arc<Self>) -> io::Result<()> {
        let mut state = self.lock();
        for _ in 1..START_TRIES {
            match self.start(&mut state) {
                // It was killed before it was told everything.
                Err(error) if has_ended(&error) => tracing::debug!(%error, "a watcher ended at once"),
                result => return result,
            }
        }
        self.start(&mut state)
    }

    fn start(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if state.live.is_some() {
            return Ok(());
        }
        let mut hello = format!("nonce {}\ntold {}\n", self.nonce, state.highest_number);
        for (group, (grace, number)) in &state.groups {
            hello.push_str(&format!("+{group} {grace} {number}\n"));
        }
        let live = state.live.insert(self.spawn()?);
        self.attend(&live.child);
        let held = state.held.iter().filter_map(|(number, (held, lasts))| Some((*number, held.upgrade()?, *lasts)));
        let told =
            held.into_iter().try_for_each(|(number, held, lasts)| send_held(&live.socket, number, &*held, lasts));
        // A watcher that could not be told everything is given up, as one that has ended.
        told.and_then(|()| live.pipe.write_all(hello.as_bytes())).inspect_err(|_| state.forget())
    }

    pub(super) fn add(self: &Arc<Self>, group: Pid, grace: Duration, number: u64) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        state.groups.insert(group, (grace.as_millis(), number));
        state.highest_number = state.highest_number.max(number);
        if !state.write_line(&format!("+{group} {} {number}\n", grace.as_millis())) {
            // The watcher died (killed for memory, or by an administrator): another one takes over all groups.
            drop(state);
            self.replace();
        }
    }

    /// Hands descriptors to the watcher, before the process with this number is started. `lasts` is how long they are held after
    /// the end of this process; none if until the end of that one.
    pub(super) fn hold(self: &Arc<Self>, number: u64, held: &Arc<dyn Held>, lasts: Option<Duration>) -> io::Result<()> {
        self.ensure()?;
        let mut state = self.lock();
        state.held.insert(number, (Arc::downgrade(held), lasts));
        let Some(live) = &state.live else { return Ok(()) };
        match send_held(&live.socket, number, &**held, lasts) {
            // It died a moment ago: another one is told everything.
            Err(error) if has_ended(&error) => {
                state.forget();
                drop(state);
                self.ensure()
            }
            result => result,
        }
    }

    /// Lets the watcher close the descriptors of a process.
    pub(super) fn free(&self, number: u64) {
        let mut state = self.lock();
        if state.held.remove(&number).is_some() {
            state.write_line(&format!("free {number}\n"));
        }
    }

    fn replace(self: &Arc<Self>) {
        if let Err(error) = self.ensure() {
            tracing::warn!(%error, "the watcher could not be started again: models would outlive a killed `mer`");
        }
    }

    /// Waits for the end of a watcher, and starts another one if there are models: what killed it may kill this
    /// process next.
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

    /// Forgets a watcher that has ended. Returns whether there are models and no watcher.
    fn has_lost(&self, pid: Pid) -> bool {
        let mut state = self.lock();
        if state.live.as_ref().is_some_and(|live| Pid::from_child(&live.child) == pid) {
            state.forget();
        }
        state.live.is_none() && !(state.groups.is_empty() && state.held.is_empty())
    }

    pub(super) fn remove(&self, group: Pid) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        state.groups.remove(&group);
        state.write_line(&format!("-{group}\n"));
    }

    fn spawn(&self) -> io::Result<WatcherProcess> {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        // Non-blocking, so that a stopped watcher cannot block this process.
        rustix::io::ioctl_fionbio(&ours, true)?;
        let mut command = Command::new(&self.program);
        command.args(&self.argv).env_clear().current_dir("/");
        // A new process group, which the terminal's Ctrl-C does not reach.
        command.process_group(0);
        // It prints nothing, and must hold no stream of this process open. An empty root folder has no `/dev/null`,
        // so that it gets a pipe that is never read.
        let (_unread, nowhere) = pipe_with(PipeFlags::CLOEXEC)?;
        let (socket, their_socket) = socket_pair()?;
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(their_socket)).stderr(Stdio::from(nowhere));
        let child = command.spawn().map_err(not_started)?;
        strays::wait_for(Pid::from_child(&child));
        Ok(WatcherProcess { pipe: OwnedFd::into(ours), socket, child })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a line; false if the watcher is gone. Lines are shorter than PIPE_BUF, so that each is written whole.
    fn write_line(&mut self, line: &str) -> bool {
        let Some(live) = &mut self.live else { return false };
        match live.pipe.write(line.as_bytes()) {
            Ok(_) => true,
            // The watcher is stopped and the pipe full: it can still find the models by their environment.
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

/// Whether an error says that the other end of a pipe or socket is gone.
fn has_ended(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// Sends descriptors. If the socket is full because the watcher is slow, waits a moment for it.
fn send_held(socket: &OwnedFd, number: u64, held: &dyn Held, lasts: Option<Duration>) -> io::Result<()> {
    let descriptors = held.descriptors();
    for _ in 0..SEND_TRIES {
        match send_descriptors(socket, number, lasts, &descriptors) {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    || error.raw_os_error() == Some(Errno::TOOMANYREFS.raw_os_error()) =>
            {
                std::thread::sleep(SEND_PAUSE);
            }
            result => return result,
        }
    }
    tracing::warn!("the watcher takes no locks: if `mer` is killed, limits may be passed until its models have ended");
    Ok(())
}

/// A word that is in no other environment. The keys of the hasher come from the kernel's random numbers.
fn nonce() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{}-{:016x}{:016x}", std::process::id(), word(), word())
}
