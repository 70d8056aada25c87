//! Fetches what a detached run left: its output, its diagnostics and its artefacts.

use std::path::Path;

use bytes::Bytes;
use mer_meal::Cancel;
use tokio::sync::mpsc;

use super::{
    found_run::FoundRun,
    received_files::{FetchedFiles, ReceivedFiles, Unwritten},
};
use crate::{error::ServiceError, runtime::Runtime};

/// Maximum number of chunks that wait to be written.
const QUEUE: usize = 4;

/// Which files are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchScope {
    /// Output, diagnostics, artefacts, and weights that were not stored.
    All,
    /// What the run wrote to the folder of its artefacts.
    Artefacts,
}

impl Runtime {
    /// Writes the files that a run left into a folder, which is made. The folder of the run is removed after that. No file that
    /// is there already is replaced.
    ///
    /// # Errors
    /// The run goes on, its folder is gone, its server cannot be asked, or a file cannot be written.
    pub async fn fetch_detached(
        &self,
        found: &FoundRun,
        scope: FetchScope,
        to: &Path,
        cancel: &Cancel,
    ) -> Result<FetchedFiles, ServiceError> {
        if let FoundRun::Open(run) = found {
            return Err(ServiceError::RunGoesOn { request: run.request_uid });
        }
        let (host, folder) = self.place_of(found).await?;
        let (sender, chunks) = mpsc::channel::<Bytes>(QUEUE);
        let unwritable = |Unwritten { path, source }| ServiceError::WriteFetched { path, source };
        // The receiver is dropped at the first failure, so that the sender ends too.
        let receiving = async move {
            let (mut chunks, mut received) = (chunks, ReceivedFiles::new(to).map_err(unwritable)?);
            while let Some(chunk) = chunks.recv().await {
                received.write(&chunk).map_err(unwritable)?;
            }
            Ok::<_, ServiceError>(received)
        };
        let (sent, received) =
            tokio::join!(host.files(&folder, scope == FetchScope::Artefacts, sender, cancel), receiving);
        let received: ReceivedFiles = received?;
        sent?;
        let fetched = received.finish().map_err(unwritable)?;
        if let Err(error) = host.remove(&folder, cancel).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the folder of the run was not removed");
        }
        Ok(fetched)
    }
}
