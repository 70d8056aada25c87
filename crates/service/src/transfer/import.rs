//! Import of what was exported.

use mer_core::{Access, Status};
use mer_dal::Store;
use mer_meal::Input;
use serde::Serialize;

use super::{
    bounds::{BATCH, BUFFER},
    error::ImportFault,
    import_registry, import_weights,
    reader::RecordReader,
    record::{End, FORMAT, Record, VERSION},
};
use crate::{error::ServiceError, runtime::Runtime};

/// What was imported.
#[derive(Debug, Default, Serialize)]
pub struct ImportReport {
    /// Number of servers.
    pub servers: u64,
    /// Number of models.
    pub models: u64,
    /// Number of versions of weights.
    pub versions: u64,
    /// Number of accesses.
    pub accesses: u64,
    /// Number of accesses that had not ended when they were exported, and were closed as `lost`.
    pub lost: u64,
    /// Models that the export does not have, and that had not been changed since a script registered them. They were removed.
    pub dropped: Vec<String>,
}

/// Imports an export: the registry in one transaction, weights version by version, then the log. Repeating it changes
/// nothing. `name` is the name of the input in messages.
///
/// # Errors
/// The input ended with an error, or is not a whole export: what came before that line has been imported.
pub async fn import(runtime: &Runtime, input: Input, name: String) -> Result<ImportReport, ServiceError> {
    let mut lines = RecordReader::new(input, name);
    header(&mut lines).await?;
    let mut report = ImportReport::default();
    let imported = import_registry::import(runtime, &mut lines).await?;
    (report.servers, report.models, report.dropped) = (imported.servers, imported.models, imported.dropped);
    let mut next = import_weights::import(runtime, &mut lines, imported.next, &mut report.versions).await?;
    let mut batch = Vec::new();
    let mut written = lines.bytes;
    let end = loop {
        match next {
            Some(Record::Access(access)) => batch.push(*access),
            Some(Record::End(end)) => break end,
            Some(_) => return Err(lines.wrong("is out of its place").into()),
            None => {
                record(runtime, &mut batch, &mut report).await?;
                let early = lines.wrong_whole("ends early: it is not the whole export");
                return Err(early.with_fault(ImportFault::Incomplete).into());
            }
        }
        if batch.len() >= 8 * BATCH || lines.bytes - written >= BUFFER {
            record(runtime, &mut batch, &mut report).await?;
            written = lines.bytes;
        }
        next = match lines.next().await {
            Ok(line) => line,
            Err(error) => {
                record(runtime, &mut batch, &mut report).await?;
                return Err(error);
            }
        };
    };
    record(runtime, &mut batch, &mut report).await?;
    check_end(&mut lines, &end).await?;
    Ok(report)
}

async fn header(lines: &mut RecordReader) -> Result<(), ServiceError> {
    match lines.next().await {
        Ok(Some(Record::Header(header))) if header.format == FORMAT => {
            if header.version == 0 {
                return Err(lines
                    .refused_field(lines.count, "version", "is 0, and there never was such a format")
                    .into());
            }
            if header.version > VERSION {
                let what = format!("has version {} of the format, and this MER knows {VERSION}", header.version);
                return Err(lines.wrong_whole(&what).with_fault(ImportFault::NewerFormat).into());
            }
            Ok(())
        }
        Err(error) if lines.count == 0 => Err(error),
        _ => Err(lines.wrong_whole("is not an export").with_fault(ImportFault::NoExport).into()),
    }
}

async fn check_end(lines: &mut RecordReader, end: &End) -> Result<(), ServiceError> {
    if end.lines != lines.count - 1 {
        return Err(lines.wrong(&format!("says that {} came before it, and it is not so", end.lines)).into());
    }
    match lines.next().await? {
        None => Ok(()),
        Some(_) => Err(lines.wrong("comes after the end").into()),
    }
}

/// Records a batch of accesses, in short sessions.
async fn record(runtime: &Runtime, batch: &mut Vec<Access>, report: &mut ImportReport) -> Result<(), ServiceError> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut session = runtime.session().await?;
    for some in batch.chunks_mut(BATCH) {
        if session.should_yield() {
            session = session.renew().await?;
        }
        report.lost += close_unended(&session, some).await?;
        session.record(some).await?;
    }
    session.close().await?;
    report.accesses += batch.len() as u64;
    batch.clear();
    Ok(())
}

/// Closes runs that had not ended when they were exported, as their ends will not come to this database. One that is known
/// here stays as it is, and an end in a later export overrides this. Returns how many were closed.
async fn close_unended(store: &Store, accesses: &mut [Access]) -> Result<u64, ServiceError> {
    const WHY: &str = "this run had not ended when it was exported";
    let mut closed = 0;
    for access in accesses.iter_mut().filter(|access| access.status == Status::Started) {
        let known = store.access(access.request_uid).await?;
        if known.iter().all(|known| known.attempt != access.attempt) {
            access.status = Status::Lost;
            access.error = Some(WHY.to_owned());
            closed += 1;
        }
    }
    Ok(closed)
}
