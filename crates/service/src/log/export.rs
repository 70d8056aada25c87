//! Exports accesses as CSV or as lines of JSON.

use mer_core::{Access, write_visible_json};
use mer_dal::{AccessFilter, AccessScan, DalError, Session};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{csv::CsvLines, query::PAGE};
use crate::{
    byte_stream::{ByteSink, write_chunk},
    error::ServiceError,
    runtime::Runtime,
    small_pages::SmallPages,
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
    let mut lines = Lines::new(request.format);
    let (mut bytes, mut sha256) = (0, Sha256::new());
    let mut session = runtime.session_drained().await?;
    loop {
        let read = read(&mut scan, &session, lines).await;
        session.close().await?;
        lines = read?;
        let chunk = lines.take();
        bytes += chunk.len() as u64;
        sha256.update(&chunk);
        if !chunk.is_empty() {
            write_chunk(sink, chunk.into()).await?;
        }
        if scan.is_over() {
            let Lines { rows, last_uid, .. } = lines;
            return Ok(Exported { rows, bytes, sha256: format!("{:x}", sha256.finalize()), last_uid });
        }
        session = runtime.another_session().await?;
    }
}

/// Reads for as long as the session may last, and adds the lines of the accesses.
async fn read(scan: &mut AccessScan, session: &Session, mut lines: Lines) -> Result<Lines, ServiceError> {
    let mut page = scan.next(session, PAGE).await?;
    loop {
        // The next page comes while another thread makes the lines of this one.
        let making = spawn_blocking(move || lines.add(&page));
        let ends = scan.is_over() || session.should_yield();
        let next = if ends { Ok(Vec::new()) } else { scan.next(session, PAGE).await };
        lines = making.await.map_err(|_| DalError::Gone { operation: "make the lines of the log" })??;
        page = next?;
        if ends {
            return Ok(lines);
        }
        if lines.size() >= BUFFER {
            return lines.add(&page);
        }
    }
}

/// Lines that were made and not written yet, and what all of them were about.
#[derive(Debug)]
struct Lines {
    text: Text,
    rows: u64,
    last_uid: Option<Uuid>,
}

#[derive(Debug)]
enum Text {
    Csv(Box<CsvLines>),
    Json(Vec<u8>),
}

impl Lines {
    fn new(format: ExportFormat) -> Self {
        let text = match format {
            ExportFormat::Csv => Text::Csv(Box::new(CsvLines::of_accesses())),
            ExportFormat::JsonLines => Text::Json(Vec::new()),
        };
        Self { text, rows: 0, last_uid: None }
    }

    /// Adds accesses.
    fn add(mut self, accesses: &[Access]) -> Result<Self, ServiceError> {
        for access in accesses {
            self.rows += 1;
            self.last_uid = self.last_uid.max(Some(access.request_uid));
            match &mut self.text {
                Text::Csv(csv) => csv.access(access),
                Text::Json(bytes) => {
                    write_visible_json(&mut *bytes, access).map_err(|source| ServiceError::WriteRecord { source })?;
                    bytes.push(b'\n');
                }
            }
        }
        Ok(self)
    }

    /// Returns roughly how many bytes were made and not taken.
    fn size(&self) -> usize {
        match &self.text {
            Text::Csv(csv) => csv.size(),
            Text::Json(bytes) => bytes.len(),
        }
    }

    /// Returns the lines so far, and goes on without them.
    fn take(&mut self) -> Vec<u8> {
        match &mut self.text {
            Text::Csv(csv) => csv.take(),
            Text::Json(bytes) => {
                let next = Vec::with_capacity(bytes.len());
                std::mem::replace(bytes, next)
            }
        }
    }
}
