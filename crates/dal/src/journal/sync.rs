//! The thread that syncs segments to disk.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use mer_core::not_started;
use tokio::sync::oneshot;

use super::JournalError;

/// Maximum time between writing a record and syncing it.
const LATEST: Duration = Duration::from_millis(100);

type Waiter = oneshot::Sender<Result<(), JournalError>>;

/// A file with data to sync.
struct Dirty {
    file: Arc<File>,
    path: Arc<Path>,
    since: Instant,
    waiters: Vec<Waiter>,
}

#[derive(Default)]
struct State {
    dirty: Vec<Dirty>,
    thread: bool,
    /// Whether the thread wakes up by itself within [`LATEST`].
    looks: bool,
    ended: bool,
}

/// State shared with the thread. Calls that come while a sync runs share the next one.
#[derive(Default)]
pub(super) struct Syncer {
    state: Mutex<State>,
    wake: Condvar,
}

impl std::fmt::Debug for Syncer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syncer").finish_non_exhaustive()
    }
}

impl Syncer {
    /// Notes that a file was written to, so that it is synced soon.
    pub(super) fn written(self: &Arc<Self>, file: &Arc<File>, path: &Arc<Path>) -> Result<(), JournalError> {
        self.note(file, path, None)
    }

    /// Syncs a file, at once or together with others.
    pub(super) async fn sync(self: &Arc<Self>, file: &Arc<File>, path: &Arc<Path>) -> Result<(), JournalError> {
        let (waiter, synced) = oneshot::channel();
        self.note(file, path, Some(waiter))?;
        synced.await.unwrap_or_else(|_| Err(JournalError::Thread { source: io::Error::other("it has ended") }))
    }

    /// Syncs a file on the calling thread. If nothing else goes on in this process, handing it to the other thread
    /// costs more than it saves.
    pub(super) fn sync_here(&self, file: &File, path: &Path) -> Result<(), JournalError> {
        // Removed first: a write that comes from here on is noted again.
        let noted = {
            let mut state = self.lock();
            let at = state.dirty.iter().position(|dirty| std::ptr::eq(&*dirty.file, file));
            at.map(|at| state.dirty.swap_remove(at))
        };
        let outcome = file.sync_data();
        if let Some(noted) = noted {
            noted.tell(&outcome);
        }
        outcome.map_err(|source| JournalError::Sync { path: path.to_path_buf(), source })
    }

    /// Ends the thread after the files that are still to be synced.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.wake.notify_one();
    }

    fn note(self: &Arc<Self>, file: &Arc<File>, path: &Arc<Path>, waiter: Option<Waiter>) -> Result<(), JournalError> {
        let mut state = self.lock();
        if !state.thread {
            let syncer = Arc::clone(self);
            std::thread::Builder::new()
                .name("mer-journal".to_owned())
                .stack_size(128 << 10)
                .spawn(move || syncer.work())
                .map_err(|source| JournalError::Thread { source: not_started(source) })?;
            state.thread = true;
        }
        // A thread that sleeps with a time limit finds the file in time; waking it for each record would cost more.
        let wake = waiter.is_some() || (state.dirty.is_empty() && !state.looks);
        match state.dirty.iter_mut().find(|dirty| Arc::ptr_eq(&dirty.file, file)) {
            Some(dirty) => dirty.waiters.extend(waiter),
            None => state.dirty.push(Dirty {
                file: Arc::clone(file),
                path: Arc::clone(path),
                since: Instant::now(),
                waiters: waiter.into_iter().collect(),
            }),
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(due) = self.due() {
            for dirty in due {
                let outcome = dirty.file.sync_data();
                if let Err(error) = &outcome {
                    let path = dirty.path.display();
                    tracing::warn!(%path, %error, "the access journal could not be synced to disk");
                }
                dirty.tell(&outcome);
            }
        }
    }

    fn pause<'a>(&'a self, mut state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        state.looks = true;
        let mut state = self.wake.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0;
        state.looks = false;
        state
    }

    /// Waits until a file is due, and takes all of them. Returns `None` when the journal is closed.
    fn due(&self) -> Option<Vec<Dirty>> {
        let mut state = self.lock();
        loop {
            let oldest = state.dirty.iter().map(|dirty| dirty.since).min();
            let waited_for = state.dirty.iter().any(|dirty| !dirty.waiters.is_empty());
            state = match oldest {
                Some(_) if waited_for || state.ended => return Some(std::mem::take(&mut state.dirty)),
                Some(since) => {
                    let left = LATEST.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        return Some(std::mem::take(&mut state.dirty));
                    }
                    self.pause(state, left)
                }
                None if state.ended => return None,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Dirty {
    /// Sends the outcome to the calls that wait.
    fn tell(self, outcome: &io::Result<()>) {
        // Dropped first: the segment's lock may go with this handle, and must be free once the outcome is sent.
        let Self { file, path, waiters, .. } = self;
        drop(file);
        for waiter in waiters {
            let outcome = outcome.as_ref().copied();
            let _ = waiter
                .send(outcome.map_err(|error| JournalError::Sync { path: path.to_path_buf(), source: again(error) }));
        }
    }
}

/// Copies an error, so that each waiting call gets one.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
