//! Clearing away what no version has.

use std::time::Duration;

use serde::Serialize;

use crate::{DalError, Database, backend::PayloadBackend as _, batch_session::BatchSession, store::ask};

/// What was cleared away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Uploads that had been silent for long.
    pub uploads: u64,
    /// Payloads of uploads and of removed versions.
    pub payloads: u64,
    /// Chunks that nobody has any more.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Clears away what no version has: what dead uploads left, and what removed versions had alone. An upload that was silent
/// for `silent` counts as dead. Safe beside uploads that live, whoever makes them.
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
