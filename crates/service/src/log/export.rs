//! Exports accesses as CSV or as lines of JSON.

use mer_dal::{AccessFilter, AccessScan, Session};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{csv::CsvLines, query::PAGE};
use crate::{
    byte_stream::{ByteSink, write_chunk},
    error::ServiceError,
    runtime::Runtime,
    small_pages::SmallPages,
    visible_json::to_writer,
};

/// Number of bytes that are made while the database is open.
const BUFFER: usize = 4 << 20;

/// What an export is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A line of columns, and a line an access.
    Csv,
    /// An object a line, as `mer log list --json`.
    JsonLines,
}

/// An export.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// How accesses are written.
    pub format: ExportFormat,
    /// Which ones; the limit is ignored.
    pub filter: AccessFilter,
    /// Only requests with a greater uid.
    pub after: Option<Uuid>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// Number of accesses.
    pub rows: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// Sha256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// The greatest uid among them: the next export begins after it.
    pub last_uid: Option<Uuid>,
}

/// Exports accesses: by uid where all of them or those after a uid are wanted, otherwise newest first. The journal is drained
/// first. The database is never open while bytes are written: their reader may be slow.
///
/// # Errors
/// The database cannot be read, or the sink cannot be written.
pub async fn export(
    runtime: &Runtime,
    request: ExportRequest,
    sink: &mut impl ByteSink,
) -> Result<Exported, ServiceError> {
    let _small = SmallPages::only();
    let mut scan = AccessScan::new(request.filter, request.after);
    let mut lines = match request.format {
        ExportFormat::Csv => Lines::Csv(Box::new(CsvLines::of_accesses())),
        ExportFormat::JsonLines => Lines::Json(Vec::new()),
    };
    let (mut rows, mut bytes, mut sha256, mut last_uid) = (0, 0, Sha256::new(), None);
    let mut session = runtime.session_drained().await?;
    loop {
        let read = read(&mut scan, &session, &mut lines).await;
        session.close().await?;
        let (count, last, chunk) = read?;
        rows += count;
        last_uid = last_uid.max(last);
        bytes += chunk.len() as u64;
        sha256.update(&chunk);
        if !chunk.is_empty() {
            write_chunk(sink, chunk.into()).await?;
        }
        if scan.is_over() {
            return Ok(Exported { rows, bytes, sha256: format!("{:x}", sha256.finalize()), last_uid });
        }
        session = runtime.another_session().await?;
    }
}

/// Lines that were made and not written yet.
enum Lines {
    Csv(Box<CsvLines>),
    Json(Vec<u8>),
}

/// Reads for as long as the session may last. Returns the number of accesses, the greatest uid, and their lines.
async fn read(
    scan: &mut AccessScan,
    session: &Session,
    lines: &mut Lines,
) -> Result<(u64, Option<Uuid>, Vec<u8>), ServiceError> {
    let (mut rows, mut last, mut chunk) = (0, None, Vec::new());
    loop {
        for access in scan.next(session, PAGE).await? {
            rows += 1;
            last = last.max(Some(access.request_uid));
            match lines {
                Lines::Csv(csv) => csv.access(&access),
                Lines::Json(bytes) => {
                    to_writer(&mut *bytes, &access).map_err(|source| ServiceError::WriteRecord { source })?;
                    bytes.push(b'\n');
                }
            }
        }
        match lines {
            Lines::Csv(csv) => chunk.append(&mut csv.take()),
            Lines::Json(bytes) => chunk.append(bytes),
        }
        if scan.is_over() || chunk.len() >= BUFFER || session.should_yield() {
            return Ok((rows, last, chunk));
        }
    }
}
