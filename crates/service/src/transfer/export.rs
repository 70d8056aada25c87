//! Export of everything that a database holds.

use mer_core::AttemptKey;
use mer_dal::Session;
use uuid::Uuid;

use super::{
    bounds::{BATCH, BUFFER},
    export_weights,
    record::{End, FORMAT, Header, Record, VERSION, portable_access, portable_model, portable_server},
    writer::RecordWriter,
};
use crate::{
    byte_stream::{ByteSink, write_chunk},
    error::ServiceError,
    runtime::Runtime,
    small_pages::SmallPages,
};

/// Exports everything. The journal is drained into the database first, so that the export is complete.
///
/// The database is never open while lines are written: their reader may be slow.
///
/// # Errors
/// The database cannot be read, or the sink cannot be written.
pub async fn export(runtime: &Runtime, sink: &mut impl ByteSink) -> Result<(), ServiceError> {
    let _small = SmallPages::only();
    let mut text = RecordWriter::default();
    text.write(runtime, &Record::Header(Header { format: FORMAT.to_owned(), version: VERSION }))?;
    let mut session = runtime.session_of_any_age_drained().await?.renew().await?;
    for server in session.servers().await? {
        text.write(runtime, &portable_server(server))?;
    }
    let models = session.models().await?;
    let weights = export_weights::all(&session, &models).await?;
    for model in models {
        text.write(runtime, &portable_model(model))?;
    }
    if !weights.is_empty() {
        session.close().await?;
        export_weights::write(runtime, weights, &mut text, sink).await?;
        session = runtime.another_session().await?;
    }
    let mut after = AttemptKey { request_uid: Uuid::nil(), attempt: 0 };
    loop {
        let more = accesses(runtime, &session, &mut after, &mut text).await;
        session.close().await?;
        let more = more?;
        write_chunk(sink, std::mem::take(&mut text.bytes).into()).await?;
        if !more {
            break;
        }
        session = runtime.another_session().await?;
    }
    let lines = text.lines;
    text.write(runtime, &Record::End(End { lines }))?;
    write_chunk(sink, text.bytes.into()).await
}

/// Reads accesses for as long as the session may last. Returns whether there are more.
async fn accesses(
    runtime: &Runtime,
    session: &Session,
    after: &mut AttemptKey,
    text: &mut RecordWriter,
) -> Result<bool, ServiceError> {
    loop {
        let page = session.accesses_after(*after, BATCH).await?;
        let is_last = page.len() < BATCH;
        for access in page {
            *after = access.key();
            text.write(runtime, &portable_access(access))?;
        }
        if is_last {
            return Ok(false);
        }
        if text.bytes.len() >= BUFFER || session.should_yield() {
            return Ok(true);
        }
    }
}
