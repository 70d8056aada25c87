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

/// Opens an engine on the current runtime, which must live until the store is gone and the engine has closed.
pub(crate) async fn connect(url: &str) -> Result<SurrealStore, DalError> {
    let open = async {
        let db = open(url).await?;
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
async fn open(url: &str) -> Result<Surreal<Local>, surrealdb::Error> {
    use surrealdb_core::kvs::Datastore;

    fn plain(error: impl std::fmt::Display) -> surrealdb::Error {
        surrealdb::Error::internal(error.to_string())
    }
    let datastore = Datastore::builder().with_config(settings()).without_maintenance_tasks().build_with_path(url).await;
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
fn settings() -> surrealdb_cnf::ConfigMap {
    surrealdb_cnf::ConfigMap::empty()
        // Asked for, though it is the default: an acknowledged row must survive a power cut.
        .with_key_value("datastore_sync", "every")
        .with_key_value("surrealkv_max_memtable_size", MEMTABLE_BYTES.to_string())
        .with_key_value("surrealkv_block_cache_capacity", BLOCK_CACHE_BYTES.to_string())
}

/// A transaction must fit in one.
#[cfg(feature = "embedded")]
const MEMTABLE_BYTES: usize = 16 << 20;
#[cfg(feature = "embedded")]
const BLOCK_CACHE_BYTES: u64 = 32 << 20;

#[cfg(not(feature = "embedded"))]
async fn open(url: &str) -> Result<Surreal<Local>, surrealdb::Error> {
    surrealdb::engine::any::connect(url).await
}

/// Whether opening failed only because somebody else has the engine's lock.
pub(crate) fn is_locked(error: &DalError) -> bool {
    error.source().is_some_and(|source| source.to_string().contains("already locked by another process"))
}
