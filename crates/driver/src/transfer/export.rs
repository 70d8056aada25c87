//! `mer export --all`.

use mer_core::AttemptKey;
use mer_dal::Session;
use mer_service::SmallPages;
use uuid::Uuid;

use super::{
    BATCH, BUFFER,
    line::{End, FORMAT, Header, Line, VERSION, portable_access, portable_model, portable_server},
    weights_out,
};
use crate::{
    app::App,
    errors::CliError,
    io::Sink,
};

/// Writes everything. What waits in the journal is moved into the database first, so that it is all there.
///
/// The database is never open while lines are written: their reader may be slow.
///
/// # Errors
/// The database cannot be read, or the sink cannot be written.
pub(crate) async fn export(app: &App, sink: &mut Sink) -> Result<(), CliError> {
    let _small = SmallPages::only();
    let mut text = Text::default();
    text.line(&Line::Header(Header { format: FORMAT.to_owned(), version: VERSION }))?;
    let mut session = app.runtime.session_of_any_age_drained().await?.renew().await?;
    for server in session.servers().await? {
        text.line(&portable_server(server))?;
    }
    let models = session.models().await?;
    let weights = weights_out::all(&session, &models).await?;
    for model in models {
        text.line(&portable_model(model))?;
    }
    if !weights.is_empty() {
        session.close().await?;
        weights_out::write(app.runtime.database(), weights, &mut text, sink).await?;
        session = app.runtime.another_session().await?;
    }
    let mut after = AttemptKey { request_uid: Uuid::nil(), attempt: 0 };
    loop {
        let more = accesses(&session, &mut after, &mut text).await;
        session.close().await?;
        let more = more?;
        sink.put(std::mem::take(&mut text.bytes).into()).await?;
        if !more {
            break;
        }
        session = app.runtime.another_session().await?;
    }
    let lines = text.lines;
    text.line(&Line::End(End { lines }))?;
    sink.put(text.bytes.into()).await
}

/// Reads accesses for as long as the session may last; whether there are more.
async fn accesses(session: &Session, after: &mut AttemptKey, text: &mut Text) -> Result<bool, CliError> {
    loop {
        let page = session.accesses_after(*after, BATCH).await?;
        let is_last = page.len() < BATCH;
        for access in page {
            *after = access.key();
            text.line(&portable_access(access))?;
        }
        if is_last {
            return Ok(false);
        }
        if text.bytes.len() >= BUFFER || session.has_had_its_turn() {
            return Ok(true);
        }
    }
}

/// Lines that are to be written.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// All there have been.
    lines: u64,
}

impl Text {
    pub(super) fn line(&mut self, line: &Line) -> Result<(), CliError> {
        // It did not come in by a command: that is told while the database is still there to be mended.
        if let Err(error) = line.check() {
            let number = self.lines + 1;
            tracing::warn!("line {number} of the export is one that `mer import` refuses: {error}");
        }
        mer_service::write_visible_json(&mut self.bytes, line)
            .map_err(|error| CliError::bug("a row cannot be written as JSON").caused_by(error))?;
        self.bytes.push(b'\n');
        self.lines += 1;
        Ok(())
    }
}
