//! The history of a model's aliases, on its way out of an export.

use std::collections::{BTreeMap, BTreeSet};

use mer_core::{AliasMove, Model, check_name};
use mer_dal::Session;

use super::lines::Lines;
use crate::errors::CliError;

/// The moves of one model's aliases, as far as they have come.
#[derive(Default)]
pub(super) struct Moves {
    pub(super) all: Vec<AliasMove>,
    /// Of each alias the line, the number and the version of its last move.
    last: BTreeMap<String, (u64, u64, Option<u64>)>,
}

impl Moves {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes the move of the last line. Those of an alias count from 1, without a gap; `last` is the last version that its
    /// model was given.
    pub(super) fn add(&mut self, lines: &Lines, last: u64, moved: AliasMove) -> Result<(), CliError> {
        let next = self.last.get(&moved.name).map_or(1, |(_, number, _)| number + 1);
        if moved.number != next {
            let what = format!("is {}, and the next move of `{}` is {next}", moved.number, moved.name);
            return Err(lines.refused_field(lines.count, "number", what));
        }
        if let Some(version) = moved.version.filter(|version| *version > last) {
            let what = format!("is {version}, and `lastVersion` of its model is {last}");
            return Err(lines.refused_field(lines.count, "version", what));
        }
        self.last.insert(moved.name.clone(), (lines.count, moved.number, moved.version));
        self.all.push(moved);
        Ok(())
    }

    /// Checks what the versions must be there for: an alias means one of them in the end. Only a name that is known here may
    /// be longer than names are now.
    pub(super) async fn check(&self, lines: &Lines, session: &Session, model: &Model) -> Result<(), CliError> {
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
                return Err(lines.refused_field(*line, "name", format!("is no new name: {error}")));
            }
            if let Some(version) = version.filter(|version| !versions.contains(version)) {
                let what = format!("is {version}, and `{}` has no such version", model.name);
                return Err(lines.refused_field(*line, "version", what));
            }
        }
        Ok(())
    }
}
