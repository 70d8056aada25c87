//! Import of the history of a model's aliases.

use std::collections::{BTreeMap, BTreeSet};

use mer_core::{AliasMove, Model, check_name};
use mer_dal::Session;

use super::reader::RecordReader;
use crate::error::ServiceError;

/// The moves of one model's aliases that were read so far.
#[derive(Default)]
pub(super) struct AliasHistory {
    pub(super) all: Vec<AliasMove>,
    /// The line, the number and the version of the last move, by alias.
    last: BTreeMap<String, (u64, u64, Option<u64>)>,
}

impl AliasHistory {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds the move of the last line. The moves of an alias count from 1, without a gap; `last` is the number of the last
    /// version of its model.
    pub(super) fn add(&mut self, lines: &RecordReader, last: u64, moved: AliasMove) -> Result<(), ServiceError> {
        let next = self.last.get(&moved.name).map_or(1, |(_, number, _)| number + 1);
        if moved.number != next {
            let what = format!("is {}, and the next move of `{}` is {next}", moved.number, moved.name);
            return Err(lines.refused_field(lines.count, "number", what).into());
        }
        if let Some(version) = moved.version.filter(|version| *version > last) {
            let what = format!("is {version}, and `lastVersion` of its model is {last}");
            return Err(lines.refused_field(lines.count, "version", what).into());
        }
        self.last.insert(moved.name.clone(), (lines.count, moved.number, moved.version));
        self.all.push(moved);
        Ok(())
    }

    /// Checks that the versions exist which aliases name in the end, and that new names are valid: only a name that exists in
    /// this database may be longer than names are now.
    pub(super) async fn check(
        &self,
        lines: &RecordReader,
        session: &Session,
        model: &Model,
    ) -> Result<(), ServiceError> {
        if self.all.is_empty() {
            return Ok(());
        }
        let known: BTreeSet<String> =
            session.alias_moves(model, None).await?.into_iter().map(|moved| moved.name).collect();
        let versions: BTreeSet<u64> =
            session.versions(model).await?.into_iter().map(|version| version.version).collect();
        for (name, (line, _, version)) in &self.last {
            if !known.contains(name)
                && let Err(error) = check_name(name)
            {
                return Err(lines.refused_field(*line, "name", format!("is no new name: {error}")).into());
            }
            if let Some(version) = version.filter(|version| !versions.contains(version)) {
                let what = format!("is {version}, and `{}` has no such version", model.name);
                return Err(lines.refused_field(*line, "version", what).into());
            }
        }
        Ok(())
    }
}
