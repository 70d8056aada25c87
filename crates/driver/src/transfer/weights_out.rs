//! Weights, on their way into an export.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::{AliasMove, Model, WeightsVersion};
use mer_dal::{Database, Download, Session};

use super::{
    export::Text,
    line::{Line, Weights, portable_move, portable_version},
};
use crate::{errors::CliError, io::Sink};

/// What is known of a model's weights, but for their bytes.
pub(super) struct OfModel {
    head: Weights,
    versions: Vec<WeightsVersion>,
    moves: Vec<AliasMove>,
}

/// The weights of all models that have or had some.
pub(super) async fn all(session: &Session, models: &[Model]) -> Result<Vec<OfModel>, CliError> {
    let mut all = Vec::new();
    for model in models {
        let last_version = session.last_version(model).await?;
        if last_version == 0 {
            continue;
        }
        // Before the versions: whatever an alias means is then among them.
        let mut moves = session.alias_moves(model, None).await?;
        moves.sort_by(|a, b| (&a.name, a.number).cmp(&(&b.name, b.number)));
        let mut versions = session.versions(model).await?;
        versions.sort_by_key(|version| version.version);
        let last_version = versions.last().map_or(last_version, |newest| newest.version.max(last_version));
        all.push(OfModel { head: Weights { model: model.name.clone(), last_version }, versions, moves });
    }
    Ok(all)
}

/// Writes them, bytes and all. The database is not held while the sink is slow.
pub(super) async fn write(
    database: &Database,
    weights: Vec<OfModel>,
    text: &mut Text,
    sink: &mut Sink,
) -> Result<(), CliError> {
    for OfModel { head, versions, moves } in weights {
        text.line(&Line::Weights(Box::new(head)))?;
        for version in versions {
            let mut download = Download::new(database, &version);
            text.line(&portable_version(version))?;
            while let Some(bytes) = download.next().await? {
                text.line(&Line::Bytes(BASE64_STANDARD.encode(&bytes)))?;
                download.waiting(sink.put(std::mem::take(&mut text.bytes).into())).await??;
            }
        }
        for moved in moves {
            text.line(&portable_move(moved))?;
        }
    }
    Ok(())
}
