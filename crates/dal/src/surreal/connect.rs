//! Opens the engine.

use std::error::Error as _;
#[cfg(feature = "embedded")]
use std::sync::Arc;

use surrealdb::Surreal;
#[cfg(feature = "embedded")]
use surrealdb_core::kvs::Datastore;
use tokio::runtime::Handle;
#[cfg(feature = "embedded")]
use tokio::task::JoinSet;

use super::{
    SurrealStore,
    engine::{DATABASE, Local, NAMESPACE},
};
use crate::DalError;
#[cfg(feature = "embedded")]
use crate::embedded::engine;

/// Opens an engine on the current thread, see [`crate::embedded::engine::spawn`]. The thread's runtime must live until
/// the store is dropped and the engine has closed; queries run on the runtime `questions`. `memtable` is the size of
/// the memtable in bytes, on a disk. A database that is not new must report its version.
pub(crate) async fn connect(
    questions: &Handle,
    url: &str,
    memtable: u64,
    is_new: bool,
) -> Result<SurrealStore, DalError> {
    let open = async {
        let db = open(questions, url, memtable, is_new).await?;
        db.use_ns(NAMESPACE).use_db(DATABASE).await?;
        Ok(db)
    };
    match open.await {
        Ok(db) => Ok(SurrealStore::new(db, url)),
        Err(error) => {
            let source: Box<surrealdb::Error> = Box::new(error);
            Err(DalError::Open { database: url.to_owned(), source })
        }
    }
}

/// Does what connecting through the SDK does, with settings of the engine that the SDK does not expose.
#[cfg(feature = "embedded")]
async fn open(questions: &Handle, url: &str, memtable: u64, is_new: bool) -> Result<Surreal<Local>, surrealdb::Error> {
    let datastore = idle_engine(url, memtable).await.map_err(plain)?;
    let open = async move {
        // The engine reads it too, but repeats that for two minutes if a damaged file gives no answer.
        if !is_new {
            datastore.get_version().await.map_err(plain)?;
        }
        datastore.check_version().await.map_err(plain)?;
        datastore.bootstrap().await.map_err(plain)?;
        // Not started before the version is written, because these tasks write too.
        datastore.start_maintenance_tasks();
        Surreal::unstable_from_datastore(datastore, None).await
    };
    // Dropped with this future, so that an opening that was given up does not keep the engine open.
    let mut tasks = JoinSet::new();
    tasks.spawn_on(open, questions);
    tasks.join_next().await.ok_or_else(|| plain("the task of opening is gone"))?.map_err(plain)?
}

/// Opens an engine and waits until it has merged its tables, so that it may be read, see [`engine`].
#[cfg(feature = "embedded")]
async fn idle_engine(url: &str, memtable: u64) -> Result<Arc<Datastore>, impl std::fmt::Display> {
    let build = Datastore::builder().with_config(settings(memtable)).without_maintenance_tasks().build_with_path(url);
    let datastore = build.await;
    engine::idle().await;
    datastore
}

/// Settings for short leases. The engine's defaults follow the machine's memory: with 16 GiB or more each memtable is
/// an arena of 1 GiB, which an allocator that clears memory touches whole at every opening, and the block cache is half
/// the memory. A lease lasts milliseconds, and there are many.
#[cfg(feature = "embedded")]
fn settings(memtable: u64) -> surrealdb_cnf::ConfigMap {
    surrealdb_cnf::ConfigMap::empty()
        // Set although it is the default: an acknowledged row must survive a power cut.
        .with_key_value("datastore_sync", "every")
        .with_key_value("surrealkv_max_memtable_size", memtable.to_string())
        .with_key_value("surrealkv_block_cache_capacity", BLOCK_CACHE_BYTES.to_string())
        .with_key_value("surrealkv_vlog_threshold", VALUE_LOG_BYTES.to_string())
}

#[cfg(feature = "embedded")]
const BLOCK_CACHE_BYTES: u64 = 8 << 20;

/// Number of bytes from which on a value is stored in the value log, whose files the engine (surrealkv 0.21.4) removes only
/// when no table refers to any of their values. Rows are shorter, so that the space of deleted ones is freed; chunks of
/// weights are mostly longer.
#[cfg(feature = "embedded")]
const VALUE_LOG_BYTES: u64 = 64 << 10;

#[cfg(not(feature = "embedded"))]
async fn open(
    questions: &Handle,
    url: &str,
    _memtable: u64,
    _is_new: bool,
) -> Result<Surreal<Local>, surrealdb::Error> {
    let url = url.to_owned();
    questions.spawn(async { surrealdb::engine::any::connect(url).await }).await.map_err(plain)?
}

fn plain(error: impl std::fmt::Display) -> surrealdb::Error {
    surrealdb::Error::internal(error.to_string())
}

/// Returns whether opening failed only because another process holds the engine's lock.
pub(crate) fn is_locked(error: &DalError) -> bool {
    error.source().is_some_and(|source| source.to_string().contains("already locked by another process"))
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::path::Path;

    use mer_testkit::image;
    use surrealdb::types::Variables;

    use super::*;
    use crate::{DbUrl, embedded::MemtableSize};

    async fn opened(questions: &Handle, engine: &Path, size: MemtableSize) -> SurrealStore {
        let url = DbUrl::Embedded(engine.to_path_buf()).to_string();
        connect(questions, &url, size.bytes_for(&engine.join("wal")), false).await.expect("it opens")
    }

    async fn write(store: &SurrealStore, rows: usize, bytes: usize) {
        for _ in 0..rows {
            let insert = format!("CREATE log SET text = string::repeat('x', {bytes}) RETURN NONE");
            store.run("write", insert, Variables::new()).await.expect("it writes");
        }
    }

    /// Writes rows into an engine and returns how many there are; `then` runs before it is closed.
    async fn rows_in(
        questions: &Handle,
        engine: &Path,
        size: MemtableSize,
        rows: usize,
        bytes: usize,
        then: impl FnOnce(),
    ) -> usize {
        let store = opened(questions, engine, size).await;
        write(&store, rows, bytes).await;
        let ids = "SELECT VALUE <string> id FROM log";
        let mut found = store.run("count", ids, Variables::new()).await.expect("it reads");
        then();
        found.take::<Vec<String>>(0).expect("ids").len()
    }

    /// Runs work on an engine's thread.
    fn on_a_thread<T: Send + 'static, F: Future<Output = T>>(work: impl FnOnce(Handle) -> F + Send + 'static) -> T {
        let (done, outcome) = std::sync::mpsc::channel();
        let body = async move |questions| done.send(work(questions).await).expect("a receiver");
        engine::spawn(body).expect("a thread");
        outcome.recv().expect("an outcome")
    }

    /// An opening after a crash during an upload finds all rows, and keeps the rows that it writes itself.
    #[test]
    fn a_long_log_is_replayed_into_one_memtable() {
        let counts = on_a_thread(async |questions| {
            let folder = tempfile::tempdir().expect("a folder");
            let [db, killed, again] = ["db", "killed", "again"].map(|name| folder.path().join(name));
            rows_in(&questions, &db, MemtableSize::Large, 20, 1 << 20, || image(&db, &killed)).await;
            let first = rows_in(&questions, &killed, MemtableSize::Usual, 1, 10, || image(&killed, &again)).await;
            (first, rows_in(&questions, &again, MemtableSize::Usual, 0, 0, || ()).await)
        });
        assert_eq!(counts, (21, 21));
    }

    /// Nothing may be read while tables are merged: see [`engine`].
    #[test]
    fn an_engine_is_not_open_before_it_has_merged_its_tables() {
        fn tables(engine: &Path) -> Vec<std::ffi::OsString> {
            let entries = std::fs::read_dir(engine.join("sstables")).expect("a folder");
            entries.map(|entry| entry.expect("an entry").file_name()).collect()
        }
        let (before, after) = on_a_thread(async |questions| {
            let folder = tempfile::tempdir().expect("a folder");
            // Each engine that is closed leaves one more table.
            for count in 1..=4 {
                let store = opened(&questions, folder.path(), MemtableSize::Usual).await;
                write(&store, 1000, 2 << 10).await;
                drop(store);
                let lock = std::fs::File::open(folder.path().join("LOCK")).expect("a lock");
                while !crate::embedded::try_lock(&lock).expect("a lock") {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                assert_eq!(tables(folder.path()).len(), count);
            }
            let before = tables(folder.path());
            let url = DbUrl::Embedded(folder.path().to_path_buf()).to_string();
            let datastore = idle_engine(&url, 16 << 20).await.unwrap_or_else(|error| panic!("{error}"));
            let after = tables(folder.path());
            drop(datastore);
            (before, after)
        });
        assert_eq!(after.len(), 1);
        assert!(!before.contains(&after[0]), "{before:?}, then {after:?}");
    }
}
