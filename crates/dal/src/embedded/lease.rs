//! One lease on the engine's folder.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    Known, Recall, Room, engine, lock,
    snapshot::{self, Snapshot},
    stamp::LockMark,
};
use crate::{
    DalError, Database, DbUrl, Session, Store,
    files::EngineFiles,
    store::Driver,
    surreal::{self, SurrealStore},
};

/// How long the engine may take to let go of its files, and running operations to end.
const CLOSE_BOUND: Duration = Duration::from_secs(20);

/// The pause between two looks at the engine's lock.
const POLL: Duration = Duration::from_micros(500);

/// The lease as the session has it: the way to tell the thread to close. Dropped, it tells that too.
#[derive(Debug)]
pub(crate) struct Lease {
    close: oneshot::Sender<Reply>,
    room: Room,
    files: Arc<EngineFiles>,
}

impl Lease {
    /// What it was opened with.
    pub(crate) const fn room(&self) -> Room {
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
pub(crate) async fn lease(database: &Database, files: Arc<EngineFiles>, room: Room) -> Result<Session, DalError> {
    let held = hold(database, &files).await?;
    open(database, files, room, held, Snapshot::load).await
}

/// Waits for the lease. Whoever had it may have left a snapshot that holds: then the engine need not be opened.
pub(crate) async fn lease_or_snapshot(
    database: &Database,
    files: Arc<EngineFiles>,
    recall: &Recall,
) -> Result<Known, DalError> {
    let held = hold(database, &files).await?;
    match recall.load(&files) {
        Some(snapshot) => {
            held.give_back();
            Ok(Known::Snapshot(snapshot))
        }
        None => Ok(Known::Session(Box::new(open(database, files, Room::Usual, held, |_| None).await?))),
    }
}

/// Opens the engine, with the lease at hand; `before` finds the snapshot that holds, if one does.
async fn open(
    database: &Database,
    files: Arc<EngineFiles>,
    room: Room,
    held: Held,
    before: fn(&EngineFiles) -> Option<Snapshot>,
) -> Result<Session, DalError> {
    check_folder(&files.engine)?;
    let (ready, opened) = oneshot::channel();
    let (close, closing) = oneshot::channel();
    let lease = Lease { close, room, files: Arc::clone(&files) };
    engine::spawn(async move |questions| {
        let end = serve(&files, &questions, room, &held, before(&files), ready, closing).await;
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
    let store = opened.await.map_err(|_| DalError::Gone { operation: "open" })??;
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

/// The life of the engine, on its own thread.
async fn serve(
    files: &EngineFiles,
    questions: &Handle,
    room: Room,
    held: &Held,
    before: Option<Snapshot>,
    ready: Ready,
    closing: oneshot::Receiver<Reply>,
) -> End {
    let store = match open_engine(files, questions, room, held).await {
        Ok(store) => store,
        Err(error) => return End::NotOpened(ready, error),
    };
    let mark = LockMark::of(&files.engine_lock);
    // Where nobody waits any more, the channel for closing is gone too.
    let _ = ready.send(Ok(store.clone()));
    let reply = closing.await;
    let outcome = close(files, store, before, mark).await;
    match reply {
        Ok(reply) => End::Closed(reply, outcome),
        Err(_) => End::Dropped(outcome),
    }
}

/// Opens the engine. Whoever has it open without our lease (a killed process whose files the kernel still closes, a
/// foreign tool) is waited for.
async fn open_engine(
    files: &EngineFiles,
    questions: &Handle,
    room: Room,
    held: &Held,
) -> Result<SurrealStore, DalError> {
    let url = DbUrl::Embedded(files.engine.clone()).to_string();
    loop {
        if engine_lock_is_free(&files.engine_lock)? {
            match surreal::connect(questions, &url, room.memtable(&files.logs)).await {
                Err(error) if surreal::is_locked(&error) => {}
                outcome => return outcome,
            }
        }
        if held.begun.elapsed() >= held.wait {
            let pid = std::fs::read_to_string(&files.engine_lock).ok().and_then(|text| text.trim().parse().ok());
            return Err(DalError::Busy { path: files.engine.clone(), pid, waited: held.begun.elapsed() });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn engine_lock_is_free(path: &Path) -> Result<bool, DalError> {
    let fail = |source| DalError::Lock { path: path.to_path_buf(), source };
    match File::open(path) {
        Ok(file) => lock::try_lock(&file).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(fail(error)),
    }
}

async fn close(
    files: &EngineFiles,
    store: SurrealStore,
    before: Option<Snapshot>,
    mark: Option<LockMark>,
) -> Result<(), DalError> {
    let begun = Instant::now();
    let late = || DalError::Close { path: files.engine.clone(), waited: begun.elapsed() };
    tokio::time::timeout(CLOSE_BOUND, store.settled()).await.map_err(|_| late())?;
    let content = match before {
        Some(before) if !store.changed() => Some(before),
        _ => snapshot::read(store.clone()).await,
    };
    drop(store);
    let engine_lock = loop {
        // The engine's lock file is there as long as the engine is not; opening it for reading does not touch it.
        match File::open(&files.engine_lock) {
            Ok(file) if lock::try_lock(&file).unwrap_or(false) => break file,
            _ if begun.elapsed() > CLOSE_BOUND => return Err(late()),
            _ => tokio::time::sleep(POLL).await,
        }
    };
    if let Some(content) = content {
        snapshot::save(files, content, mark).await;
    }
    drop(engine_lock);
    Ok(())
}

/// A folder with files in it that are no database of this engine is left alone.
fn check_folder(engine: &Path) -> Result<(), DalError> {
    let fail = |source| DalError::Folder { path: engine.to_path_buf(), source };
    if engine.join("manifest").is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(engine).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        // What an engine that was killed during its first moments may have left.
        if !["LOCK", "sstables", "vlog", "wal", "discard_stats"].iter().any(|own| name == *own) {
            let reason = format!("it holds `{}` and no `manifest`", name.to_string_lossy());
            return Err(DalError::Foreign { path: engine.to_path_buf(), reason });
        }
    }
    Ok(())
}

/// The lease's lock, with the holder's pid in its file; since when the database is waited for, and how long that may last.
struct Held {
    file: File,
    begun: Instant,
    wait: Duration,
}

async fn hold(database: &Database, files: &EngineFiles) -> Result<Held, DalError> {
    let (begun, wait) = (Instant::now(), database.settings().wait);
    files.create()?;
    let fail = |source| DalError::Lock { path: files.lease.clone(), source };
    let file = lock::open(&files.lease).map_err(fail)?;
    match lock::lock_within(file, wait).await.map_err(fail)? {
        Some(file) => {
            // Those who wait are told of it; on a full disk there is no room for it.
            let _ = write_pid(&file, Some(std::process::id()));
            Ok(Held { file, begun, wait })
        }
        None => {
            let pid = lock::open(&files.lease).ok().and_then(read_pid);
            Err(DalError::Busy { path: files.engine.clone(), pid, waited: begun.elapsed() })
        }
    }
}

impl Held {
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
