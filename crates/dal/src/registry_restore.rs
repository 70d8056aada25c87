//! Restores a registry in another database.

use std::collections::BTreeSet;

use jiff::{Timestamp, TimestampRound, Unit};
use mer_core::{Model, Server};
use uuid::Uuid;

use crate::DalError;

/// Servers and models of another database, with their uids and times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegistryCopy {
    /// The servers. A server of the same name is replaced; models that run on it keep doing so.
    pub servers: Vec<Server>,
    /// The models. A model of the same name is replaced.
    pub models: Vec<Model>,
    /// Names of models to remove.
    pub dropped: Vec<String>,
}

impl RegistryCopy {
    /// Returns what is left to do in a database that has these servers and models.
    pub(crate) fn without(&self, servers: &[Server], models: &[Model]) -> Self {
        let same_server = |a: &Server, b: &Server| {
            (&a.uid, &a.name, &a.spec) == (&b.uid, &b.name, &b.spec)
                && same_times(a, b, |s| s.created_at, |s| s.last_updated)
        };
        let same_model = |a: &Model, b: &Model| {
            (&a.uid, &a.name, &a.spec) == (&b.uid, &b.name, &b.spec)
                && same_times(a, b, |m| m.created_at, |m| m.last_updated)
        };
        let has_model = |name: &String| models.iter().any(|model| model.name == *name);
        Self {
            servers: left(&self.servers, servers, |server| &server.name, same_server),
            models: left(&self.models, models, |model| &model.name, same_model),
            dropped: self.dropped.iter().filter(|name| has_model(name)).cloned().collect(),
        }
    }

    /// Returns whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.models.is_empty() && self.dropped.is_empty()
    }

    /// Returns the servers that the models name.
    pub(crate) fn links(&self) -> BTreeSet<&str> {
        self.models.iter().flat_map(|model| &model.spec.servers).map(String::as_str).collect()
    }
}

/// Returns the objects of `wanted` that `there` lacks or has otherwise.
fn left<T: Clone>(wanted: &[T], there: &[T], name: impl Fn(&T) -> &String, same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let there: std::collections::HashMap<&String, &T> = there.iter().map(|object| (name(object), object)).collect();
    let is_left = |object: &&T| there.get(name(object)).is_none_or(|known| !same(known, object));
    wanted.iter().filter(is_left).cloned().collect()
}

fn same_times<T>(a: &T, b: &T, created: impl Fn(&T) -> Timestamp, updated: impl Fn(&T) -> Timestamp) -> bool {
    micros(created(a)) == micros(created(b)) && micros(updated(a)) == micros(updated(b))
}

/// Rounds a time down to the microsecond, which every database can store.
pub(crate) fn micros(time: Timestamp) -> Timestamp {
    let round = TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Floor);
    time.round(round).unwrap_or(time)
}

/// Parses the uid of a copied object.
pub(crate) fn uid(text: &str) -> Result<Uuid, DalError> {
    let wrong = |_| DalError::Row { table: "the copied registry", reason: format!("`{text}` is not a uid") };
    Uuid::parse_str(text).map_err(wrong)
}
