//! The engine in memory: one instance for all sessions of a database.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::sync::{Mutex, oneshot};

use super::engine;
use crate::{
    DalError, Store,
    store::Driver,
    surreal::{self, SurrealStore},
};

/// One instance, which the first session starts and which ends with the last handle on its database.
#[derive(Debug)]
pub(crate) struct Memory {
    engine: Mutex<Option<(SurrealStore, oneshot::Sender<()>)>>,
    journal: PathBuf,
}

impl Memory {
    pub(crate) fn new(scratch: &Path) -> Self {
        let journal = scratch.join(format!("mer-mem-{}", uuid::Uuid::new_v4().simple()));
        Self { engine: Mutex::new(None), journal }
    }

    /// Returns a folder that is removed with the instance. It does not exist until a journal creates it.
    pub(crate) fn journal_dir(&self) -> &Path {
        &self.journal
    }

    /// Returns the open engine, which the first call starts.
    pub(crate) async fn store(&self) -> Result<Store, DalError> {
        let mut engine = self.engine.lock().await;
        let store = match &*engine {
            Some((store, _)) => store.clone(),
            None => {
                let (store, end) = start().await?;
                engine.insert((store, end)).0.clone()
            }
        };
        Ok(Store(Driver::Surreal(store)))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.journal);
    }
}

async fn start() -> Result<(SurrealStore, oneshot::Sender<()>), DalError> {
    let (ready, opened) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    engine::spawn(async move |questions| {
        let _ = ready.send(surreal::connect(&questions, "mem://", 0, true).await);
        let _ = ended.await;
    })?;
    let store = opened.await.map_err(|_| DalError::Gone { operation: "open" })??;
    Ok((store, end))
}
