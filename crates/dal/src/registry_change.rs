//! Selects the objects of a registry that must be written, and the condition for each.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use mer_core::{Model, ModelSpec, Registry, Server, ServerSpec};

use crate::DalError;

/// An object to write.
#[derive(Debug)]
pub(crate) struct Write<'a, T> {
    pub(crate) name: &'a str,
    pub(crate) spec: &'a T,
    /// Time of the last change of the existing object, or `None` if there is none. It must be unchanged when the object
    /// is written.
    pub(crate) updated: Option<Timestamp>,
}

/// Returns the servers of `wanted` that differ from the existing ones.
pub(crate) fn servers<'a>(
    wanted: &'a Registry,
    known: &[Server],
    seen: Option<&Registry>,
) -> Result<Vec<Write<'a, ServerSpec>>, DalError> {
    let known = known.iter().map(|server| (server.name.as_str(), (&server.spec, server.last_updated))).collect();
    writes("server", &wanted.servers, &known, seen.map(|seen| &seen.servers))
}

/// Returns the models of `wanted` that differ from the existing ones.
pub(crate) fn models<'a>(
    wanted: &'a Registry,
    known: &[Model],
    seen: Option<&Registry>,
) -> Result<Vec<Write<'a, ModelSpec>>, DalError> {
    let known = known.iter().map(|model| (model.name.as_str(), (&model.spec, model.last_updated))).collect();
    writes("model", &wanted.models, &known, seen.map(|seen| &seen.models))
}

/// Skips objects that do not change, so that `lastUpdated` stays true.
fn writes<'a, T: PartialEq>(
    object: &'static str,
    wanted: &'a BTreeMap<String, T>,
    known: &HashMap<&str, (&T, Timestamp)>,
    seen: Option<&BTreeMap<String, T>>,
) -> Result<Vec<Write<'a, T>>, DalError> {
    let mut writes = Vec::new();
    for (name, spec) in wanted {
        let known = known.get(name.as_str());
        let is_there = known.map(|(spec, _)| *spec);
        if is_there == Some(spec) {
            continue;
        }
        if seen.is_some_and(|seen| seen.get(name) != is_there) {
            return Err(DalError::Changed { object, name: name.clone() });
        }
        writes.push(Write { name, spec, updated: known.map(|(_, updated)| *updated) });
    }
    Ok(writes)
}
