//! Import of weights.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::{Model, WeightsVersion};
use mer_dal::{DalError, Upload};
use mer_weights::{Given, Inspector, WeightsError};
use sha2::{Digest as _, Sha256};

use super::{
    alias_history::AliasHistory,
    error::{ImportError, ImportFault},
    reader::RecordReader,
    record::{Record, Version, Weights},
};
use crate::{error::ServiceError, runtime::Runtime};

/// The weights of one model that were read so far.
struct ModelWeights {
    model: Model,
    last: u64,
    /// The number of the previous version, or 0.
    before: u64,
    moves: AliasHistory,
}

/// Imports the weights of all models. Returns the first line that is about something else. `count` counts versions.
pub(super) async fn import(
    runtime: &Runtime,
    lines: &mut RecordReader,
    mut next: Option<Record>,
    count: &mut u64,
) -> Result<Option<Record>, ServiceError> {
    let mut at_hand: Option<ModelWeights> = None;
    let mut seen = BTreeSet::new();
    loop {
        next = match (next, &mut at_hand) {
            (Some(Record::Weights(head)), _) => {
                if !seen.insert(head.model.clone()) {
                    return Err(lines
                        .refused_field(lines.count, "model", "has had its weights in this file already")
                        .into());
                }
                aliases(runtime, lines, at_hand.take()).await?;
                at_hand = Some(begin(runtime, lines, *head).await?);
                lines.next().await?
            }
            (Some(Record::Version(version)), Some(of)) if version.model == of.model.name && of.moves.is_empty() => {
                of.count(lines, version.version)?;
                let (next, whole) = bytes(runtime, lines, &of.model, *version).await?;
                *count += u64::from(whole);
                next
            }
            (Some(Record::AliasMove(moved)), Some(of)) if moved.model == of.model.name => {
                of.moves.add(lines, of.last, *moved)?;
                lines.next().await?
            }
            (Some(Record::Version(_) | Record::AliasMove(_) | Record::Bytes(_)), _) => {
                return Err(lines.wrong("is out of its place").into());
            }
            // The export was cut off here: aliases are only imported when all of a model is there.
            (None, _) => return Ok(None),
            (Some(other), _) => {
                aliases(runtime, lines, at_hand.take()).await?;
                return Ok(Some(other));
            }
        };
    }
}

async fn begin(runtime: &Runtime, lines: &RecordReader, head: Weights) -> Result<ModelWeights, ServiceError> {
    let session = runtime.session().await?;
    let model = session.model(&head.model).await;
    session.close().await?;
    let none = || lines.wrong(&format!("has weights of `{}`, which is no model", head.model));
    Ok(ModelWeights {
        model: model?.ok_or_else(none)?,
        last: head.last_version,
        before: 0,
        moves: AliasHistory::default(),
    })
}

impl ModelWeights {
    /// Checks that versions come in the order of their numbers, up to the last one.
    fn count(&mut self, lines: &RecordReader, version: u64) -> Result<(), ServiceError> {
        let (before, last) = (self.before, self.last);
        if version <= before {
            return Err(lines
                .refused_field(lines.count, "version", format!("is {version}, and comes after {before}"))
                .into());
        }
        if version > last {
            let what = format!("is {version}, and `lastVersion` of its model is {last}");
            return Err(lines.refused_field(lines.count, "version", what).into());
        }
        self.before = version;
        Ok(())
    }
}

async fn aliases(runtime: &Runtime, lines: &RecordReader, of: Option<ModelWeights>) -> Result<(), ServiceError> {
    let Some(ModelWeights { model, last, moves, .. }) = of else { return Ok(()) };
    let session = runtime.session().await?;
    let done = async {
        moves.check(lines, &session, &model).await?;
        Ok(session.restore_aliases(&model, last, &moves.all).await?)
    };
    let done: Result<(), ServiceError> = done.await;
    session.close().await?;
    done
}

/// Imports the bytes of a version, and then the version. Returns the line after them, and whether all bytes were there.
async fn bytes(
    runtime: &Runtime,
    lines: &mut RecordReader,
    model: &Model,
    version: Version,
) -> Result<(Option<Record>, bool), ServiceError> {
    let version = version.whole();
    let head = lines.count;
    let session = runtime.session().await?;
    let there = session.version(model, version.version).await;
    session.close().await?;
    let mut destination = match there? {
        Some(there) if there.sha256 == version.sha256 => Destination::Known { hash: Sha256::new(), bytes: 0 },
        Some(_) => {
            return Err(DalError::OtherVersion { model: version.model, version: version.version }.into());
        }
        None => {
            let given = Given { dtype: Some(version.dtype), shape: version.shape.clone() };
            let inspector = Inspector::new(version.format, given).map_err(|error| refused(lines, head, &error))?;
            Destination::Upload(Box::new(Upload::new(runtime.database(), model)), Some(Box::new(inspector)))
        }
    };
    let taken = async {
        let (next, is_whole) = all_bytes(lines, head, &version, &mut destination).await?;
        if is_whole {
            destination.check(lines, head, &version)?;
        }
        Ok((next, is_whole))
    };
    match (taken.await, destination) {
        (Ok((next, true)), Destination::Upload(upload, _)) => {
            upload.restore(&version).await?;
            Ok((next, true))
        }
        (other, Destination::Upload(upload, _)) => {
            // What is left of the upload is removed later.
            let _ = upload.abort().await;
            other
        }
        (other, Destination::Known { .. }) => other,
    }
}

async fn all_bytes(
    lines: &mut RecordReader,
    head: u64,
    version: &WeightsVersion,
    destination: &mut Destination,
) -> Result<(Option<Record>, bool), ServiceError> {
    loop {
        match destination.waiting(lines.next()).await?? {
            Some(Record::Bytes(text)) => {
                let bytes = BASE64_STANDARD.decode(text);
                let bytes = bytes.map_err(|error| lines.wrong("has bytes that are no base64").caused_by(error))?;
                destination.inspect(&bytes).map_err(|error| refused(lines, head, &error))?;
                destination.write(&bytes).await?;
            }
            None => return Ok((None, false)),
            next if destination.has(version) => return Ok((next, true)),
            _ => {
                let what = format!("comes after bytes of `{version}` that do not have its sha256");
                return Err(lines.wrong(&what).into());
            }
        }
    }
}

/// The error that bytes are not what the line of their version says, or cannot be opened by any reader of their format.
fn refused(lines: &RecordReader, head: u64, error: &WeightsError) -> ImportError {
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
    if is_unread { refused.with_fault(ImportFault::UnreadableWeights) } else { refused }
}

/// The destination of the bytes of a version.
enum Destination {
    /// The database. The bytes are inspected on the way, as those of new weights are.
    Upload(Box<Upload>, Option<Box<Inspector>>),
    /// None, as the version is there already.
    Known { hash: Sha256, bytes: u64 },
}

impl Destination {
    fn inspect(&mut self, new: &[u8]) -> Result<(), WeightsError> {
        match self {
            Self::Upload(_, Some(inspector)) => inspector.feed(new),
            _ => Ok(()),
        }
    }

    async fn write(&mut self, new: &[u8]) -> Result<(), ServiceError> {
        match self {
            Self::Upload(upload, _) => Ok(upload.write(new).await?),
            Self::Known { hash, bytes } => {
                hash.update(new);
                *bytes += new.len() as u64;
                Ok(())
            }
        }
    }

    /// Checks that the bytes, which are all there, are what the line of their version says.
    fn check(&mut self, lines: &RecordReader, head: u64, version: &WeightsVersion) -> Result<(), ServiceError> {
        let Self::Upload(_, inspector) = self else { return Ok(()) };
        let Some(inspector) = inspector.take() else { return Ok(()) };
        let found = inspector.finish().map_err(|error| refused(lines, head, &error))?;
        if found.dtype != version.dtype {
            let what = format!("is {}, and its bytes are {}", version.dtype, found.dtype);
            return Err(lines.refused_field(head, "dtype", what).into());
        }
        if found.shape != version.shape {
            return Err(lines.refused_field(head, "shape", "is not that of its bytes").into());
        }
        Ok(())
    }

    /// Waits without holding the database for long.
    async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, ServiceError> {
        match self {
            Self::Upload(upload, _) => Ok(upload.waiting(other).await?),
            Self::Known { .. } => Ok(other.await),
        }
    }

    /// Whether it has got the bytes of this version.
    fn has(&self, version: &WeightsVersion) -> bool {
        match self {
            Self::Upload(upload, _) => (upload.bytes(), upload.sha256()) == (version.bytes, version.sha256.clone()),
            Self::Known { hash, bytes } => {
                let sha256 = format!("{:x}", hash.clone().finalize());
                (*bytes, sha256) == (version.bytes, version.sha256.clone())
            }
        }
    }
}
