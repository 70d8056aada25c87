//! Which objects of a registry are to be written, and on what condition.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use mer_core::{Model, ModelSpec, Registry, Server, ServerSpec};

use crate::DalError;

/// An object that is to be written.
#[derive(Debug)]
pub(crate) struct Write<'a, T> {
    pub(crate) name: &'a str,
    pub(crate) spec: &'a T,
    /// When what is there was last changed; none where nothing is. It must still be so when the object is written.
    pub(crate) updated: Option<Timestamp>,
}

/// The servers of `wanted` that differ from what there is.
pub(crate) fn servers<'a>(
    wanted: &'a Registry,
    known: &[Server],
    seen: Option<&Registry>,
) -> Result<Vec<Write<'a, ServerSpec>>, DalError> {
    let known = known.iter().map(|server| (server.name.as_str(), (&server.spec, server.last_updated))).collect();
    writes("server", &wanted.servers, &known, seen.map(|seen| &seen.servers))
}

/// The models of `wanted` that differ from what there is.
pub(crate) fn models<'a>(
    wanted: &'a Registry,
    known: &[Model],
    seen: Option<&Registry>,
) -> Result<Vec<Write<'a, ModelSpec>>, DalError> {
    let known = known.iter().map(|model| (model.name.as_str(), (&model.spec, model.last_updated))).collect();
    writes("model", &wanted.models, &known, seen.map(|seen| &seen.models))
}

/// Objects that are as they should be are left alone, so that `lastUpdated` tells the truth.
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
