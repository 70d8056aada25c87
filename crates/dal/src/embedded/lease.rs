//! One lease on the engine's folder: the time during which this process has the engine open.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    engine,
    engine_lock::{self, CLOSE_BOUND, EngineLock},
    folder,
    lease_file::LeaseFile,
    memtable::MemtableSize,
    paths::EnginePaths,
    snapshot::{self, Snapshot},
    snapshot_cache::SnapshotCache,
};
use crate::{
    DalError, DbUrl, Store,
    store::Driver,
    surreal::{self, SurrealStore},
};

/// Shortest bound on opening the engine, however short the wait for other processes is: after a crash the log is read back.
const LEAST_OPENING: Duration = Duration::from_secs(10);

/// Pause between two attempts to open the engine.
const RETRY_OPENING: Duration = Duration::from_millis(5);

/// A lease as its session holds it: the handle that tells the engine's thread to close. Dropping it tells that too.
#[derive(Debug)]
pub(crate) struct Lease {
    close: oneshot::Sender<Reply>,
    memtable: MemtableSize,
    files: Arc<EnginePaths>,
}

impl Lease {
    /// Returns the size that the memtable was opened with.
    pub(crate) const fn memtable(&self) -> MemtableSize {
        self.memtable
    }

    /// Returns whether so much has been written that bulk work must close the engine.
    pub(crate) fn is_used_up(&self) -> bool {
        self.memtable.is_used_up(&self.files.logs)
    }

    /// Closes the engine and gives up the lease.
    pub(crate) async fn close(self) -> Result<(), DalError> {
        let gone = || DalError::Gone { operation: "close" };
        let (reply, closed) = oneshot::channel();
        self.close.send(reply).map_err(|_| gone())?;
        closed.await.map_err(|_| gone())?
    }
}

/// Waits for the lease and opens the engine.
pub(crate) async fn open(
    files: Arc<EnginePaths>,
    wait: Duration,
    memtable: MemtableSize,
) -> Result<(Store, Lease), DalError> {
    let lease = LeaseFile::lock(&files, wait).await?;
    open_under(lease, files, memtable, Snapshot::load).await
}

/// What [`open_or_load`] found.
pub(crate) enum Opened {
    /// A valid snapshot; the engine was not opened.
    Snapshot(Arc<Snapshot>),
    /// The engine.
    Engine(Store, Lease),
}

/// Waits for the lease. If its former holder left a valid snapshot, the engine is not opened.
pub(crate) async fn open_or_load(
    files: Arc<EnginePaths>,
    wait: Duration,
    cache: &SnapshotCache,
) -> Result<Opened, DalError> {
    let lease = LeaseFile::lock(&files, wait).await?;
    match cache.load(&files) {
        Some(snapshot) => {
            lease.release();
            Ok(Opened::Snapshot(snapshot))
        }
        None => {
            let (store, lease) = open_under(lease, files, MemtableSize::Usual, |_| None).await?;
            Ok(Opened::Engine(store, lease))
        }
    }
}

/// Opens the engine under a lease. `before` loads the snapshot that was valid before, if there is one.
async fn open_under(
    lease_file: LeaseFile,
    files: Arc<EnginePaths>,
    memtable: MemtableSize,
    before: fn(&EnginePaths) -> Option<Snapshot>,
) -> Result<(Store, Lease), DalError> {
    let is_new = folder::check(&files.engine)?;
    let bound = lease_file.wait.max(LEAST_OPENING);
    let (ready, opened) = oneshot::channel();
    let (close, closing) = oneshot::channel();
    let lease = Lease { close, memtable, files: Arc::clone(&files) };
    engine::spawn(async move |questions| {
        let before = before(&files);
        let end = serve(&files, &questions, Opening { memtable, is_new }, &lease_file, before, ready, closing).await;
        // Before any reply is sent.
        lease_file.release();
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
    // Bounded here, because the thread may be in the middle of work that it cannot interrupt. It gives up when the lease is
    // dropped.
    let late = |_| DalError::Opening { path: lease.files.engine.clone(), waited: bound };
    let opened = tokio::time::timeout(bound, opened).await.map_err(late)?;
    let store = opened.map_err(|_| DalError::Gone { operation: "open" })??;
    Ok((Store(Driver::Surreal(store)), lease))
}

type Ready = oneshot::Sender<Result<SurrealStore, DalError>>;
type Reply = oneshot::Sender<Result<(), DalError>>;

/// How a lease ended, and where the outcome is sent.
enum End {
    NotOpened(Ready, DalError),
    Closed(Reply, Result<(), DalError>),
    Dropped(Result<(), DalError>),
}

/// How the engine is opened.
#[derive(Debug, Clone, Copy)]
struct Opening {
    memtable: MemtableSize,
    /// Whether the folder has no database yet.
    is_new: bool,
}

/// Opens the engine, waits until it is to be closed, and closes it. Runs on the engine's thread.
async fn serve(
    files: &EnginePaths,
    questions: &Handle,
    opening: Opening,
    lease: &LeaseFile,
    before: Option<Snapshot>,
    ready: Ready,
    mut closing: oneshot::Receiver<Reply>,
) -> End {
    let opened = tokio::select! {
        biased;
        opened = open_engine(files, questions, opening, lease) => opened,
        _ = &mut closing => {
            // The engine may have opened all the same, and closes on threads of its own.
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
    // If the caller no longer waits, the channel for closing is gone too.
    let _ = ready.send(Ok(store.clone()));
    let reply = closing.await;
    let outcome = close(files, store, before, lock, lease).await;
    match reply {
        Ok(reply) => End::Closed(reply, outcome),
        Err(_) => End::Dropped(outcome),
    }
}

/// Opens the engine. Waits for a process that has it open without our lease: a killed process whose files the kernel still
/// closes, or another program.
async fn open_engine(
    files: &EnginePaths,
    questions: &Handle,
    opening: Opening,
    lease: &LeaseFile,
) -> Result<SurrealStore, DalError> {
    let url = DbUrl::Embedded(files.engine.clone()).to_string();
    loop {
        if engine_lock::is_free(&files.engine_lock)? {
            let memtable = opening.memtable.bytes_for(&files.logs);
            match surreal::connect(questions, &url, memtable, opening.is_new).await {
                Err(error) if surreal::is_locked(&error) => {}
                outcome => return outcome,
            }
        }
        if lease.begun.elapsed() >= lease.wait {
            let pid =
                mer_files::read_internal_to_string(&files.engine_lock).ok().and_then(|text| text.trim().parse().ok());
            return Err(DalError::Busy { path: files.engine.clone(), pid, waited: lease.begun.elapsed() });
        }
        tokio::time::sleep(RETRY_OPENING).await;
    }
}

/// Closes the engine and saves the snapshot.
async fn close(
    files: &EnginePaths,
    store: SurrealStore,
    before: Option<Snapshot>,
    lock: EngineLock,
    lease: &LeaseFile,
) -> Result<(), DalError> {
    let late = || DalError::Close { path: files.engine.clone(), waited: CLOSE_BOUND };
    tokio::time::timeout(CLOSE_BOUND, store.settled()).await.map_err(|_| late())?;
    let content = match before {
        Some(before) if !store.changed() => Some(before),
        _ => snapshot::read(store.clone()).await,
    };
    drop(store);
    lock.closed(files).await?;
    // If a lock file was replaced, another process may have had the engine open too, and which rows are left is unknown.
    lease.check(files)?;
    if !lock.is_in_place(files) {
        return Err(DalError::LockGone { path: files.engine_lock.clone() });
    }
    if let Some(content) = content {
        snapshot::save(files, content, lock.mark.clone()).await;
    }
    Ok(())
}
