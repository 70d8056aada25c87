//! Garbage collection of weights.

use std::time::Duration;

use serde::Serialize;

use crate::{DalError, Database, backend::PayloadBackend as _, batch_session::BatchSession, store::ask};

/// What a garbage collection deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Number of uploads without a batch for long.
    pub uploads: u64,
    /// Number of payloads of such uploads and of removed versions.
    pub payloads: u64,
    /// Number of chunks that no payload uses any more.
    pub chunks: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// Deletes what no version uses: the remains of dead uploads, and the bytes that only removed versions had. An upload
/// without a batch for `silent` counts as dead. Safe while other uploads run, in any process.
///
/// # Errors
/// As [`Database::session`] and [`crate::Store::apply`].
pub async fn collect_garbage(database: &Database, silent: Duration) -> Result<Collected, DalError> {
    let mut batches = BatchSession::new(database);
    let mut collected = Collected::default();
    let session = batches.acquire().await?;
    collected.uploads = ask!(session, backend => backend.expire_uploads(silent))?;
    let dead = ask!(session, backend => backend.dead_payloads())?;
    for payload in dead {
        loop {
            let session = batches.acquire().await?;
            if !ask!(session, backend => backend.remove_parts(payload))? {
                break;
            }
        }
        collected.payloads += 1;
    }
    let mut last: Option<String> = None;
    loop {
        let session = batches.acquire().await?;
        let swept = ask!(session, backend => backend.sweep_chunks(last.as_deref()))?;
        collected.chunks += swept.chunks;
        collected.bytes += swept.bytes;
        last = swept.last;
        if last.is_none() {
            break;
        }
    }
    batches.close().await?;
    Ok(collected)
}
