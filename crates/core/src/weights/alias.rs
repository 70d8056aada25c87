//! Aliases: names for versions, which move, and whose moves are kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Invalid, valid};

/// The alias that `MODEL` alone means.
pub const CURRENT_ALIAS: &str = "current";

/// A name for a version of a model's weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// The model's name.
    pub model: String,
    /// Its own.
    pub name: String,
    /// The version that it means.
    pub version: u64,
}

/// One move of an alias. From then on, up to its next move, it meant this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasMove {
    /// The model's name.
    pub model: String,
    /// The alias.
    pub name: String,
    /// Counts the moves of this alias from 1.
    pub number: u64,
    /// The version from then on; nothing where the alias was taken away.
    pub version: Option<u64>,
    /// When.
    #[serde(serialize_with = "crate::micros")]
    pub moved_at: Timestamp,
    /// `user@host` of who moved it.
    pub caller: String,
    /// The access that moved it, where one did.
    pub request_uid: Option<Uuid>,
}

impl AliasMove {
    /// Checks what the types of the fields leave open, but for the length of the name: one that is longer than names may be
    /// now may be there from before.
    ///
    /// # Errors
    /// The first field that no move has so.
    pub fn check(&self) -> Result<(), Invalid> {
        valid::check_known("model", &self.model)?;
        valid::check_known("name", &self.name)?;
        valid::check_counted("number", self.number)?;
        self.version.map_or(Ok(()), |version| valid::check_counted("version", version))?;
        valid::time("movedAt", self.moved_at)
    }
}
