//! Export of weights.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::{AliasMove, Model, WeightsVersion};
use mer_dal::{Download, Session};

use super::{
    record::{Record, Weights, portable_move, portable_version},
    writer::RecordWriter,
};
use crate::{
    byte_stream::{ByteSink, write_chunk},
    error::ServiceError,
    runtime::Runtime,
};

/// The weights of one model, without their bytes.
pub(super) struct ModelWeights {
    head: Weights,
    versions: Vec<WeightsVersion>,
    moves: Vec<AliasMove>,
}

/// Returns the weights of all models that have or had some.
pub(super) async fn all(session: &Session, models: &[Model]) -> Result<Vec<ModelWeights>, ServiceError> {
    let mut all = Vec::new();
    for model in models {
        let last_version = session.last_version(model).await?;
        if last_version == 0 {
            continue;
        }
        // Before the versions, so that whatever an alias means is among them.
        let mut moves = session.alias_moves(model, None).await?;
        moves.sort_by(|a, b| (&a.name, a.number).cmp(&(&b.name, b.number)));
        let mut versions = session.versions(model).await?;
        versions.sort_by_key(|version| version.version);
        let last_version = versions.last().map_or(last_version, |newest| newest.version.max(last_version));
        all.push(ModelWeights { head: Weights { model: model.name.clone(), last_version }, versions, moves });
    }
    Ok(all)
}

/// Writes weights and their bytes. The database is not held while the sink is slow.
pub(super) async fn write(
    runtime: &Runtime,
    weights: Vec<ModelWeights>,
    text: &mut RecordWriter,
    sink: &mut impl ByteSink,
) -> Result<(), ServiceError> {
    for ModelWeights { head, versions, moves } in weights {
        text.write(runtime, &Record::Weights(Box::new(head)))?;
        for version in versions {
            let mut download = Download::new(runtime.database(), &version);
            text.write(runtime, &portable_version(version))?;
            while let Some(bytes) = download.next().await? {
                text.write(runtime, &Record::Bytes(BASE64_STANDARD.encode(&bytes)))?;
                download.waiting(write_chunk(sink, std::mem::take(&mut text.bytes).into())).await??;
            }
        }
        for moved in moves {
            text.write(runtime, &portable_move(moved))?;
        }
    }
    Ok(())
}
