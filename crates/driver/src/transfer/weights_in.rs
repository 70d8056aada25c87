//! Weights, on their way out of an export.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::{Model, WeightsVersion};
use mer_dal::{DalError, Upload};
use mer_weights::{Given, Inspector, WeightsError};
use sha2::{Digest as _, Sha256};

use super::{
    line::{Line, Version, Weights},
    lines::Lines,
    moves::Moves,
};
use crate::{app::App, errors::CliError};

/// The weights of one model, as far as they have come.
struct OfModel {
    model: Model,
    last: u64,
    /// The number of the version before, or 0.
    before: u64,
    moves: Moves,
}

/// Takes over the weights of all models, and gives the first line that is about something else. `count` counts versions.
pub(super) async fn take_over(
    app: &App,
    lines: &mut Lines,
    mut next: Option<Line>,
    count: &mut u64,
) -> Result<Option<Line>, CliError> {
    let mut at_hand: Option<OfModel> = None;
    let mut seen = BTreeSet::new();
    loop {
        next = match (next, &mut at_hand) {
            (Some(Line::Weights(head)), _) => {
                if !seen.insert(head.model.clone()) {
                    return Err(lines.refused_field(lines.count, "model", "has had its weights in this file already"));
                }
                aliases(app, lines, at_hand.take()).await?;
                at_hand = Some(begin(app, lines, *head).await?);
                lines.next().await?
            }
            (Some(Line::Version(version)), Some(of)) if version.model == of.model.name && of.moves.is_empty() => {
                of.count(lines, version.version)?;
                let (next, whole) = bytes(app, lines, &of.model, *version).await?;
                *count += u64::from(whole);
                next
            }
            (Some(Line::AliasMove(moved)), Some(of)) if moved.model == of.model.name => {
                of.moves.add(lines, of.last, *moved)?;
                lines.next().await?
            }
            (Some(Line::Version(_) | Line::AliasMove(_) | Line::Bytes(_)), _) => {
                return Err(lines.wrong("is out of its place"));
            }
            // What ends here has been cut off: aliases come when all of a model is there.
            (None, _) => return Ok(None),
            (Some(other), _) => {
                aliases(app, lines, at_hand.take()).await?;
                return Ok(Some(other));
            }
        };
    }
}

async fn begin(app: &App, lines: &Lines, head: Weights) -> Result<OfModel, CliError> {
    let session = app.runtime.session().await?;
    let model = session.model(&head.model).await;
    session.close().await?;
    let none = || lines.wrong(&format!("has weights of `{}`, which is no model", head.model));
    Ok(OfModel { model: model?.ok_or_else(none)?, last: head.last_version, before: 0, moves: Moves::default() })
}

impl OfModel {
    /// Versions come in the order of their numbers, up to the last that was given.
    fn count(&mut self, lines: &Lines, version: u64) -> Result<(), CliError> {
        let (before, last) = (self.before, self.last);
        if version <= before {
            return Err(lines.refused_field(lines.count, "version", format!("is {version}, and comes after {before}")));
        }
        if version > last {
            let what = format!("is {version}, and `lastVersion` of its model is {last}");
            return Err(lines.refused_field(lines.count, "version", what));
        }
        self.before = version;
        Ok(())
    }
}

async fn aliases(app: &App, lines: &Lines, of: Option<OfModel>) -> Result<(), CliError> {
    let Some(OfModel { model, last, moves, .. }) = of else { return Ok(()) };
    let session = app.runtime.session().await?;
    let done = async {
        moves.check(lines, &session, &model).await?;
        Ok(session.restore_aliases(&model, last, &moves.all).await?)
    };
    let done: Result<(), CliError> = done.await;
    session.close().await?;
    done
}

/// Takes over the bytes of a version, and then the version. Gives the line after them, and whether they were all there.
async fn bytes(
    app: &App,
    lines: &mut Lines,
    model: &Model,
    version: Version,
) -> Result<(Option<Line>, bool), CliError> {
    let version = version.whole();
    let head = lines.count;
    let session = app.runtime.session().await?;
    let there = session.version(model, version.version).await;
    session.close().await?;
    let mut taker = match there? {
        Some(there) if there.sha256 == version.sha256 => Taker::Nobody { hash: Sha256::new(), bytes: 0 },
        Some(_) => {
            return Err(DalError::OtherVersion { model: version.model, version: version.version }.into());
        }
        None => {
            let given = Given { dtype: Some(version.dtype), shape: version.shape.clone() };
            let inspector = Inspector::new(version.format, given).map_err(|error| refused(lines, head, &error))?;
            Taker::Upload(Box::new(Upload::new(app.runtime.database(), model)), Some(Box::new(inspector)))
        }
    };
    let taken = async {
        let (next, is_whole) = all_bytes(lines, head, &version, &mut taker).await?;
        if is_whole {
            taker.judge(lines, head, &version)?;
        }
        Ok((next, is_whole))
    };
    match (taken.await, taker) {
        (Ok((next, true)), Taker::Upload(upload, _)) => {
            upload.restore(&version).await?;
            Ok((next, true))
        }
        (other, Taker::Upload(upload, _)) => {
            // What is left of it is cleared away later.
            let _ = upload.abort().await;
            other
        }
        (other, Taker::Nobody { .. }) => other,
    }
}

async fn all_bytes(
    lines: &mut Lines,
    head: u64,
    version: &WeightsVersion,
    taker: &mut Taker,
) -> Result<(Option<Line>, bool), CliError> {
    loop {
        match taker.waiting(lines.next()).await?? {
            Some(Line::Bytes(text)) => {
                let bytes = BASE64_STANDARD.decode(text);
                let bytes = bytes.map_err(|error| lines.wrong("has bytes that are no base64").caused_by(error))?;
                taker.look(&bytes).map_err(|error| refused(lines, head, &error))?;
                taker.take(&bytes).await?;
            }
            None => return Ok((None, false)),
            next if taker.is(version) => return Ok((next, true)),
            _ => {
                let told = format!("comes after bytes of `{version}` that do not have its sha256");
                return Err(lines.wrong(&told));
            }
        }
    }
}

/// That the bytes are not what the line of their version says, or what no reader of their format opens.
fn refused(lines: &Lines, head: u64, error: &WeightsError) -> CliError {
    let field = match error {
        WeightsError::OtherDtype { .. } | WeightsError::Number { .. } => "dtype",
        WeightsError::Shape { .. }
        | WeightsError::OtherShape { .. }
        | WeightsError::NoElements
        | WeightsError::TooLarge { .. } => "shape",
        WeightsError::Size { .. } | WeightsError::Elements { .. } => "bytes",
        _ => "format",
    };
    let is_unread = matches!(error, WeightsError::Header { .. } | WeightsError::Bits { .. });
    let refused = lines.refused_field(head, field, format!("is not what its bytes are: {error}"));
    if is_unread {
        refused
            .hint("where they came from, remove that version; `mer weights put --format raw` keeps bytes of any kind")
    } else {
        refused
    }
}

/// Who takes the bytes of a version.
enum Taker {
    /// The database, once they have been looked at as `mer weights put` does it.
    Upload(Box<Upload>, Option<Box<Inspector>>),
    /// The version is there already.
    Nobody { hash: Sha256, bytes: u64 },
}

impl Taker {
    fn look(&mut self, new: &[u8]) -> Result<(), WeightsError> {
        match self {
            Self::Upload(_, Some(inspector)) => inspector.feed(new),
            _ => Ok(()),
        }
    }

    async fn take(&mut self, new: &[u8]) -> Result<(), CliError> {
        match self {
            Self::Upload(upload, _) => Ok(upload.write(new).await?),
            Self::Nobody { hash, bytes } => {
                hash.update(new);
                *bytes += new.len() as u64;
                Ok(())
            }
        }
    }

    /// Whether the bytes, which are all there, are what the line of their version says.
    fn judge(&mut self, lines: &Lines, head: u64, version: &WeightsVersion) -> Result<(), CliError> {
        let Self::Upload(_, inspector) = self else { return Ok(()) };
        let Some(inspector) = inspector.take() else { return Ok(()) };
        let found = inspector.finish().map_err(|error| refused(lines, head, &error))?;
        if found.dtype != version.dtype {
            let what = format!("is {}, and its bytes are {}", version.dtype, found.dtype);
            return Err(lines.refused_field(head, "dtype", what));
        }
        if found.shape != version.shape {
            return Err(lines.refused_field(head, "shape", "is not that of its bytes"));
        }
        Ok(())
    }

    /// Waits without holding the database for long.
    async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, CliError> {
        match self {
            Self::Upload(upload, _) => Ok(upload.waiting(other).await?),
            Self::Nobody { .. } => Ok(other.await),
        }
    }

    /// Whether it has taken the bytes of this version.
    fn is(&self, version: &WeightsVersion) -> bool {
        match self {
            Self::Upload(upload, _) => (upload.bytes(), upload.sha256()) == (version.bytes, version.sha256.clone()),
            Self::Nobody { hash, bytes } => {
                let sha256 = format!("{:x}", hash.clone().finalize());
                (*bytes, sha256) == (version.bytes, version.sha256.clone())
            }
        }
    }
}
