//! Opening the engine.

use std::error::Error as _;

use surrealdb::{Surreal, engine::any::Any};

use super::SurrealStore;
use crate::DalError;

/// Where MER lives in a SurrealDB instance.
pub(super) const NAMESPACE: &str = "ModelExecutorRuntimeNS";
pub(super) const DATABASE: &str = "ModelExecutorRuntimeDB";

/// Opens an engine on the current runtime, which must live until the store is gone and the engine has closed.
pub(crate) async fn connect(url: &str) -> Result<SurrealStore, DalError> {
    // Asked for, though it is the engine's default: an acknowledged row must survive a power cut.
    let endpoint = if url.starts_with("surrealkv:") { format!("{url}?sync=every") } else { url.to_owned() };
    let open = async {
        let db: Surreal<Any> = surrealdb::engine::any::connect(endpoint).await?;
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

/// Whether opening failed only because somebody else has the engine's lock.
pub(crate) fn is_locked(error: &DalError) -> bool {
    error.source().is_some_and(|source| source.to_string().contains("already locked by another process"))
}
