//! One lease on the engine's folder.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::not_started;
use mer_files::LockError;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    MemtableSize, SnapshotCache, SnapshotOrSession, engine,
    fingerprint::LockMark,
    folder,
    paths::EnginePaths,
    snapshot::{self, Snapshot},
};
use crate::{
    DalError, Database, DbUrl, Session, Store,
    store::Driver,
    surreal::{self, SurrealStore},
};

/// How long the engine may take to let go of its files, and running operations to end.
const CLOSE_BOUND: Duration = Duration::from_secs(20);

/// What an opening may take however short the wait for others is: a log that a crash has left is read back.
const LEAST_OPENING: Duration = Duration::from_secs(10);

/// The pause between two looks at the engine's lock.
const POLL: Duration = Duration::from_micros(500);

/// The lease as the session has it: the way to tell the thread to close. Dropped, it tells that too.
#[derive(Debug)]
pub(crate) struct Lease {
    close: oneshot::Sender<Reply>,
    room: MemtableSize,
    files: Arc<EnginePaths>,
}

impl Lease {
    /// What it was opened with.
    pub(crate) const fn room(&self) -> MemtableSize {
        self.room
    }

    /// Whether so much has been written that bulk work must open anew.
    pub(crate) fn is_used_up(&self) -> bool {
        self.room.is_used_up(&self.files.logs)
    }

    /// Closes the engine and gives the lease back.
    pub(crate) async fn close(self) -> Result<(), DalError> {
        let gone = || DalError::Gone { operation: "close" };
        let (reply, closed) = oneshot::channel();
        self.close.send(reply).map_err(|_| gone())?;
        closed.await.map_err(|_| gone())?
    }
}

/// Waits for the lease and opens the engine.
pub(crate) async fn lease(
    database: &Database,
    files: Arc<EnginePaths>,
    room: MemtableSize,
) -> Result<Session, DalError> {
    let held = hold(database, &files).await?;
    open(database, files, room, held, Snapshot::load).await
}

/// Waits for the lease. Whoever had it may have left a snapshot that holds: then the engine need not be opened.
pub(crate) async fn lease_or_snapshot(
    database: &Database,
    files: Arc<EnginePaths>,
    cache: &SnapshotCache,
) -> Result<SnapshotOrSession, DalError> {
    let held = hold(database, &files).await?;
    match cache.load(&files) {
        Some(snapshot) => {
            held.give_back();
            Ok(SnapshotOrSession::Snapshot(snapshot))
        }
        None => {
            Ok(SnapshotOrSession::Session(Box::new(open(database, files, MemtableSize::Usual, held, |_| None).await?)))
        }
    }
}

/// Opens the engine, with the lease at hand; `before` finds the snapshot that holds, if one does.
async fn open(
    database: &Database,
    files: Arc<EnginePaths>,
    room: MemtableSize,
    held: Held,
    before: fn(&EnginePaths) -> Option<Snapshot>,
) -> Result<Session, DalError> {
    let is_new = folder::check(&files.engine)?;
    let bound = held.wait.max(LEAST_OPENING);
    let (ready, opened) = oneshot::channel();
    let (close, closing) = oneshot::channel();
    let lease = Lease { close, room, files: Arc::clone(&files) };
    engine::spawn(async move |questions| {
        let before = before(&files);
        let end = serve(&files, &questions, Opening { room, is_new }, &held, before, ready, closing).await;
        // Before anybody hears that it is over.
        held.give_back();
        match end {
            End::NotOpened(ready, error) => drop(ready.send(Err(error))),
            End::Closed(reply, outcome) => drop(reply.send(outcome)),
            End::Dropped(Ok(())) => {}
            End::Dropped(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a session that was dropped did not close well");
            }
        }
    })?;
    // Bounded here, because the thread may be in the middle of something that it cannot be called away from. It gives up
    // when it hears that the caller no longer waits: the lease is dropped.
    let late = |_| DalError::Opening { path: lease.files.engine.clone(), waited: bound };
    let opened = tokio::time::timeout(bound, opened).await.map_err(late)?;
    let store = opened.map_err(|_| DalError::Gone { operation: "open" })??;
    Ok(Session::new(Store(Driver::Surreal(store)), database.clone(), Some(lease)))
}

type Ready = oneshot::Sender<Result<SurrealStore, DalError>>;
type Reply = oneshot::Sender<Result<(), DalError>>;

/// How a lease ended, and who is to be told.
enum End {
    NotOpened(Ready, DalError),
    Closed(Reply, Result<(), DalError>),
    Dropped(Result<(), DalError>),
}

/// What the engine is opened for.
#[derive(Debug, Clone, Copy)]
struct Opening {
    room: MemtableSize,
    /// Whether the folder has no database in it yet.
    is_new: bool,
}

/// The life of the engine, on its own thread.
async fn serve(
    files: &EnginePaths,
    questions: &Handle,
    opening: Opening,
    held: &Held,
    before: Option<Snapshot>,
    ready: Ready,
    mut closing: oneshot::Receiver<Reply>,
) -> End {
    let opened = tokio::select! {
        biased;
        opened = open_engine(files, questions, opening, held) => opened,
        _ = &mut closing => {
            // The engine may be open all the same, and closes behind our back.
            let outcome = match EngineLock::of(files) {
                Ok(lock) => lock.closed(files).await,
                Err(error) => Err(error),
            };
            return End::Dropped(outcome);
        }
    };
    let store = match opened {
        Ok(store) => store,
        Err(error) => return End::NotOpened(ready, error),
    };
    let lock = match EngineLock::of(files) {
        Ok(lock) => lock,
        Err(error) => return End::NotOpened(ready, error),
    };
    // Where nobody waits any more, the channel for closing is gone too.
    let _ = ready.send(Ok(store.clone()));
    let reply = closing.await;
    let outcome = close(files, store, before, lock, held).await;
    match reply {
        Ok(reply) => End::Closed(reply, outcome),
        Err(_) => End::Dropped(outcome),
    }
}

/// Opens the engine. Whoever has it open without our lease (a killed process whose files the kernel still closes, a
/// foreign tool) is waited for.
async fn open_engine(
    files: &EnginePaths,
    questions: &Handle,
    opening: Opening,
    held: &Held,
) -> Result<SurrealStore, DalError> {
    let url = DbUrl::Embedded(files.engine.clone()).to_string();
    loop {
        if engine_lock_is_free(&files.engine_lock)? {
            let memtable = opening.room.memtable(&files.logs);
            match surreal::connect(questions, &url, memtable, opening.is_new).await {
                Err(error) if surreal::is_locked(&error) => {}
                outcome => return outcome,
            }
        }
        if held.begun.elapsed() >= held.wait {
            let pid =
                mer_files::read_internal_to_string(&files.engine_lock).ok().and_then(|text| text.trim().parse().ok());
            return Err(DalError::Busy { path: files.engine.clone(), pid, waited: held.begun.elapsed() });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The engine's own lock file, where there is one. Opening it for reading does not touch it.
fn engine_lock(path: &Path) -> Result<Option<File>, DalError> {
    match mer_files::internal().read().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).map_err(|source| DalError::Lock { path: path.to_path_buf(), source }),
    }
}

fn engine_lock_is_free(path: &Path) -> Result<bool, DalError> {
    let Some(file) = engine_lock(path)? else { return Ok(true) };
    mer_files::try_lock(&file).map_err(|source| DalError::Lock { path: path.to_path_buf(), source })
}

/// The engine's own lock file as it was when the engine was opened. What is at its path later may be another one.
struct EngineLock {
    mark: Option<LockMark>,
    file: Option<File>,
}

impl EngineLock {
    /// One that is not there was removed.
    fn of(files: &EnginePaths) -> Result<Self, DalError> {
        Ok(Self { file: engine_lock(&files.engine_lock)?, mark: LockMark::of(&files.engine_lock) })
    }

    /// Waits until the engine has let go of it, and holds it.
    async fn closed(&self, files: &EnginePaths) -> Result<(), DalError> {
        let begun = Instant::now();
        let Some(file) = &self.file else { return Ok(()) };
        while !mer_files::try_lock(file).unwrap_or(false) {
            if begun.elapsed() > CLOSE_BOUND {
                return Err(DalError::Close { path: files.engine.clone(), waited: begun.elapsed() });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn is_in_place(&self, files: &EnginePaths) -> bool {
        self.file.as_ref().is_some_and(|file| mer_files::is_at(file, &files.engine_lock).unwrap_or(false))
    }
}

async fn close(
    files: &EnginePaths,
    store: SurrealStore,
    before: Option<Snapshot>,
    lock: EngineLock,
    held: &Held,
) -> Result<(), DalError> {
    let begun = Instant::now();
    let late = || DalError::Close { path: files.engine.clone(), waited: begun.elapsed() };
    tokio::time::timeout(CLOSE_BOUND, store.settled()).await.map_err(|_| late())?;
    let content = match before {
        Some(before) if !store.changed() => Some(before),
        _ => snapshot::read(store.clone()).await,
    };
    drop(store);
    lock.closed(files).await?;
    // Without them another process may have had the engine open too, and which rows are left is unknown.
    held.check(files)?;
    if !lock.is_in_place(files) {
        return Err(DalError::LockGone { path: files.engine_lock.clone() });
    }
    if let Some(content) = content {
        snapshot::save(files, content, lock.mark.clone()).await;
    }
    Ok(())
}

/// Locks a file with a bound. A thread that could not be started for lack of processes is marked as such.
async fn lock_within(file: File, wait: Duration) -> io::Result<Option<File>> {
    mer_files::lock_within(file, wait).await.map_err(|error| match error {
        LockError::NotStarted(error) => not_started(error),
        LockError::Lock(error) => error,
    })
}

/// The lease's lock, with the holder's pid in its file; since when the database is waited for, and how long that may last.
struct Held {
    file: File,
    /// The engine's folder, locked as well: it is not removed as lightly as a file that is called a lock. Nothing where
    /// the file system does not lock folders.
    folder: Option<File>,
    begun: Instant,
    wait: Duration,
}

async fn hold(database: &Database, files: &EnginePaths) -> Result<Held, DalError> {
    let (begun, wait) = (Instant::now(), database.settings().wait);
    files.check()?;
    files.create()?;
    let fail = |source| DalError::Lock { path: files.lease.clone(), source };
    let busy = || {
        let pid = mer_files::open_lock_file(&files.lease).ok().and_then(read_pid);
        DalError::Busy { path: files.engine.clone(), pid, waited: begun.elapsed() }
    };
    let file = loop {
        let file = mer_files::open_lock_file(&files.lease).map_err(fail)?;
        let left = wait.saturating_sub(begun.elapsed());
        let Some(file) = lock_within(file, left).await.map_err(fail)? else { return Err(busy()) };
        // A lock file that was removed during the wait excludes no other process.
        if mer_files::is_at(&file, &files.lease).unwrap_or(false) {
            break file;
        }
    };
    let folder = match mer_files::open_folder(&files.engine) {
        Ok(folder) => match lock_within(folder, wait.saturating_sub(begun.elapsed())).await {
            Ok(Some(folder)) => Some(folder),
            Ok(None) => return Err(busy()),
            Err(error) => {
                tracing::debug!(%error, "this file system does not lock folders");
                None
            }
        },
        Err(source) => return Err(DalError::Folder { path: files.engine.clone(), source }),
    };
    // Processes that wait read it for their message; a full disk has no room for it.
    let _ = write_pid(&file, Some(std::process::id()));
    Ok(Held { file, folder, begun, wait })
}

impl Held {
    /// Whether what is locked is still what others look at.
    fn check(&self, files: &EnginePaths) -> Result<(), DalError> {
        let folder = self.folder.as_ref().map(|folder| (folder, &files.engine));
        for (file, path) in [(&self.file, &files.lease)].into_iter().chain(folder) {
            if !mer_files::is_at(file, path).unwrap_or(false) {
                return Err(DalError::LockGone { path: path.clone() });
            }
        }
        Ok(())
    }

    fn give_back(self) {
        // A pid that holds nothing any more must not be blamed. The lock goes with the file.
        let _ = write_pid(&self.file, None);
    }
}

fn write_pid(mut file: &File, pid: Option<u32>) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    match pid {
        Some(pid) => writeln!(file, "{pid}"),
        None => Ok(()),
    }
}

fn read_pid(mut file: File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
