//! Weights, on their way out of an export.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::{AliasMove, Model, WeightsVersion};
use mer_dal::{DalError, Upload};
use sha2::{Digest as _, Sha256};

use super::{
    line::{Line, Version, Weights},
    lines::Lines,
};
use crate::{app::App, error::CliError};

/// The weights of one model, as far as they have come.
struct OfModel {
    model: Model,
    last: u64,
    moves: Vec<AliasMove>,
}

/// Takes over the weights of all models, and gives the first line that is about something else. `count` counts versions.
pub(super) async fn take_over(
    app: &App,
    lines: &mut Lines,
    mut next: Option<Line>,
    count: &mut u64,
) -> Result<Option<Line>, CliError> {
    let mut at_hand: Option<OfModel> = None;
    loop {
        next = match (next, &mut at_hand) {
            (Some(Line::Weights(head)), _) => {
                aliases(app, at_hand.take()).await?;
                at_hand = Some(begin(app, lines, *head).await?);
                lines.next().await?
            }
            (Some(Line::Version(version)), Some(of)) if version.model == of.model.name && of.moves.is_empty() => {
                let (next, whole) = bytes(app, lines, &of.model, *version).await?;
                *count += u64::from(whole);
                next
            }
            (Some(Line::AliasMove(moved)), Some(of)) if moved.model == of.model.name => {
                of.moves.push(*moved);
                lines.next().await?
            }
            (Some(Line::Version(_) | Line::AliasMove(_) | Line::Bytes(_)), _) => {
                return Err(lines.wrong("is out of its place"));
            }
            // What ends here has been cut off: aliases come when all of a model is there.
            (None, _) => return Ok(None),
            (Some(other), _) => {
                aliases(app, at_hand.take()).await?;
                return Ok(Some(other));
            }
        };
    }
}

async fn begin(app: &App, lines: &Lines, head: Weights) -> Result<OfModel, CliError> {
    let session = app.session().await?;
    let model = session.model(&head.model).await;
    session.close().await?;
    let none = || lines.wrong(&format!("has weights of `{}`, which is no model", head.model));
    Ok(OfModel { model: model?.ok_or_else(none)?, last: head.last_version, moves: Vec::new() })
}

async fn aliases(app: &App, of: Option<OfModel>) -> Result<(), CliError> {
    let Some(OfModel { model, last, moves }) = of else { return Ok(()) };
    let session = app.session().await?;
    let done = session.restore_aliases(&model, last, &moves).await;
    session.close().await?;
    Ok(done?)
}

/// Takes over the bytes of a version, and then the version. Gives the line after them, and whether they were all there.
async fn bytes(
    app: &App,
    lines: &mut Lines,
    model: &Model,
    version: Version,
) -> Result<(Option<Line>, bool), CliError> {
    let version = version.whole();
    let session = app.session().await?;
    let there = session.version(model, version.version).await;
    session.close().await?;
    let mut taker = match there? {
        Some(there) if there.sha256 == version.sha256 => Taker::Nobody { hash: Sha256::new(), bytes: 0 },
        Some(_) => {
            return Err(DalError::OtherVersion { model: version.model, version: version.version }.into());
        }
        None => Taker::Upload(Box::new(Upload::new(&app.database, model))),
    };
    match all_bytes(lines, &version, &mut taker).await {
        Ok((next, true)) => {
            if let Taker::Upload(upload) = taker {
                upload.restore(&version).await?;
            }
            Ok((next, true))
        }
        other => {
            if let Taker::Upload(upload) = taker {
                // What is left of it is cleared away later.
                let _ = upload.abort().await;
            }
            other
        }
    }
}

async fn all_bytes(
    lines: &mut Lines,
    version: &WeightsVersion,
    taker: &mut Taker,
) -> Result<(Option<Line>, bool), CliError> {
    loop {
        match taker.waiting(lines.next()).await?? {
            Some(Line::Bytes(text)) => {
                let bytes = BASE64_STANDARD.decode(text);
                taker
                    .take(&bytes.map_err(|error| lines.wrong("has bytes that are no base64").caused_by(error))?)
                    .await?;
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

/// Who takes the bytes of a version.
enum Taker {
    Upload(Box<Upload>),
    /// The version is there already.
    Nobody {
        hash: Sha256,
        bytes: u64,
    },
}

impl Taker {
    async fn take(&mut self, new: &[u8]) -> Result<(), CliError> {
        match self {
            Self::Upload(upload) => Ok(upload.write(new).await?),
            Self::Nobody { hash, bytes } => {
                hash.update(new);
                *bytes += new.len() as u64;
                Ok(())
            }
        }
    }

    /// Waits without holding the database for long.
    async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, CliError> {
        match self {
            Self::Upload(upload) => Ok(upload.waiting(other).await?),
            Self::Nobody { .. } => Ok(other.await),
        }
    }

    /// Whether it has taken the bytes of this version.
    fn is(&self, version: &WeightsVersion) -> bool {
        match self {
            Self::Upload(upload) => (upload.bytes(), upload.sha256()) == (version.bytes, version.sha256.clone()),
            Self::Nobody { hash, bytes } => {
                let sha256 = format!("{:x}", hash.clone().finalize());
                (*bytes, sha256) == (version.bytes, version.sha256.clone())
            }
        }
    }
}
