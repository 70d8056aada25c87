//! The thread that brings segments to disk.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::JournalError;

/// How long written records may stay with the kernel only.
const LATEST: Duration = Duration::from_millis(100);

type Waiter = oneshot::Sender<Result<(), JournalError>>;

/// A file with something to bring to disk.
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
    ended: bool,
}

/// The thread's end of the work. Whoever asks while a sync runs shares the next one.
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
    /// Notes that a file was written to; it is synced soon.
    pub(super) fn written(self: &Arc<Self>, file: &Arc<File>, path: &Arc<Path>) -> Result<(), JournalError> {
        self.note(file, path, None)
    }

    /// Syncs a file, at once or with the next ones.
    pub(super) async fn sync(self: &Arc<Self>, file: &Arc<File>, path: &Arc<Path>) -> Result<(), JournalError> {
        let (waiter, synced) = oneshot::channel();
        self.note(file, path, Some(waiter))?;
        synced.await.unwrap_or_else(|_| Err(JournalError::Thread { source: io::Error::other("it has ended") }))
    }

    /// Lets the thread end, after what is still to be synced.
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
                .map_err(|source| JournalError::Thread { source })?;
            state.thread = true;
        }
        let wake = waiter.is_some() || state.dirty.is_empty();
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
                // The lock of a segment may go with this handle: whoever is told is to find it free.
                let Dirty { file, path, waiters, .. } = dirty;
                drop(file);
                if let Err(error) = &outcome {
                    tracing::warn!(path = %path.display(), %error, "the access journal could not be brought to disk");
                }
                for waiter in waiters {
                    let _ = waiter.send(
                        outcome
                            .as_ref()
                            .copied()
                            .map_err(|error| JournalError::Sync { path: path.to_path_buf(), source: again(error) }),
                    );
                }
            }
        }
    }

    /// Waits until something is due, and takes all there is. Nothing: it is over.
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
                    self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None if state.ended => return None,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// The same error once more: each of those who wait gets one.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
