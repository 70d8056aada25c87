//! Opening the engine.

use std::error::Error as _;

use surrealdb::Surreal;

use super::SurrealStore;
use crate::DalError;

/// Where MER lives in a SurrealDB instance.
pub(super) const NAMESPACE: &str = "ModelExecutorRuntimeNS";
pub(super) const DATABASE: &str = "ModelExecutorRuntimeDB";

/// The SDK's name of an engine in this process.
#[cfg(feature = "embedded")]
pub(super) type Local = surrealdb::engine::local::Db;
#[cfg(not(feature = "embedded"))]
pub(super) type Local = surrealdb::engine::any::Any;

/// Opens an engine on the current runtime, which must live until the store is gone and the engine has closed. On a disk
/// its memtable has so many bytes.
pub(crate) async fn connect(url: &str, memtable: u64) -> Result<SurrealStore, DalError> {
    let open = async {
        let db = open(url, memtable).await?;
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

/// What the SDK's own connecting does, with the engine's settings, which that has no words for.
#[cfg(feature = "embedded")]
async fn open(url: &str, memtable: u64) -> Result<Surreal<Local>, surrealdb::Error> {
    use surrealdb_core::kvs::Datastore;

    fn plain(error: impl std::fmt::Display) -> surrealdb::Error {
        surrealdb::Error::internal(error.to_string())
    }
    let datastore =
        Datastore::builder().with_config(settings(memtable)).without_maintenance_tasks().build_with_path(url).await;
    let datastore = datastore.map_err(plain)?;
    datastore.check_version().await.map_err(plain)?;
    datastore.bootstrap().await.map_err(plain)?;
    // Not before the version is written: they write themselves.
    datastore.start_maintenance_tasks();
    Surreal::unstable_from_datastore(datastore, None).await
}

/// The engine's defaults follow the machine's memory: with 16 GiB or more each memtable is an arena of 1 GiB, which an
/// allocator that clears what it hands out touches whole at every opening, and the cache of blocks is half the memory.
/// A lease lasts milliseconds and is one of many.
#[cfg(feature = "embedded")]
fn settings(memtable: u64) -> surrealdb_cnf::ConfigMap {
    surrealdb_cnf::ConfigMap::empty()
        // Asked for, though it is the default: an acknowledged row must survive a power cut.
        .with_key_value("datastore_sync", "every")
        .with_key_value("surrealkv_max_memtable_size", memtable.to_string())
        .with_key_value("surrealkv_block_cache_capacity", BLOCK_CACHE_BYTES.to_string())
}

#[cfg(feature = "embedded")]
const BLOCK_CACHE_BYTES: u64 = 32 << 20;

#[cfg(not(feature = "embedded"))]
async fn open(url: &str, _memtable: u64) -> Result<Surreal<Local>, surrealdb::Error> {
    surrealdb::engine::any::connect(url).await
}

/// Whether opening failed only because somebody else has the engine's lock.
pub(crate) fn is_locked(error: &DalError) -> bool {
    error.source().is_some_and(|source| source.to_string().contains("already locked by another process"))
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::path::Path;

    use mer_testkit::image;
    use surrealdb::types::Variables;

    use super::*;
    use crate::{
        DbUrl,
        embedded::{Room, engine},
    };

    /// Writes rows into an engine and tells how many there are; `then` happens before it is closed.
    async fn rows_in(engine: &Path, room: Room, rows: usize, bytes: usize, then: impl FnOnce()) -> usize {
        let url = DbUrl::Embedded(engine.to_path_buf()).to_string();
        let store = connect(&url, room.memtable(&engine.join("wal"))).await.expect("it opens");
        for _ in 0..rows {
            let insert = format!("CREATE log SET text = string::repeat('x', {bytes}) RETURN NONE");
            store.run("write", insert, Variables::new()).await.expect("it writes");
        }
        let ids = "SELECT VALUE <string> id FROM log";
        let mut found = store.run("count", ids, Variables::new()).await.expect("it reads");
        then();
        found.take::<Vec<String>>(0).expect("ids").len()
    }

    /// Who opens after a crash in the middle of weights has all of them, and keeps what it writes itself.
    #[test]
    fn a_long_log_is_replayed_into_one_memtable() {
        let (done, outcome) = std::sync::mpsc::channel();
        let work = async move {
            let folder = tempfile::tempdir().expect("a folder");
            let [db, killed, again] = ["db", "killed", "again"].map(|name| folder.path().join(name));
            rows_in(&db, Room::Large, 20, 1 << 20, || image(&db, &killed)).await;
            let first = rows_in(&killed, Room::Usual, 1, 10, || image(&killed, &again)).await;
            let _ = done.send((first, rows_in(&again, Room::Usual, 0, 0, || ()).await));
        };
        engine::spawn(move |runtime| runtime.block_on(work)).expect("a thread");
        assert_eq!(outcome.recv().expect("counts"), (21, 21));
    }
}
