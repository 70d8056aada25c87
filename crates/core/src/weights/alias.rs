//! Aliases: names for versions that can be moved, and the history of their moves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Invalid, valid};

/// The alias that is meant by `MODEL` without a version or an alias.
pub const CURRENT_ALIAS: &str = "current";

/// A name for a version of a model's weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// Name of the model.
    pub model: String,
    /// Name of the alias.
    pub name: String,
    /// The version that it points to.
    pub version: u64,
}

/// One move of an alias. It points to this version until its next move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasMove {
    /// Name of the model.
    pub model: String,
    /// Name of the alias.
    pub name: String,
    /// Number of the move, from 1 for each alias.
    pub number: u64,
    /// The new version; none if the alias was removed.
    pub version: Option<u64>,
    /// Time of the move.
    #[serde(serialize_with = "crate::micros")]
    pub moved_at: Timestamp,
    /// `user@host` of the caller.
    pub caller: String,
    /// Id of the access that moved it, if one did.
    pub request_uid: Option<Uuid>,
}

impl AliasMove {
    /// Checks what the types of the fields leave open. The name may be longer than that of a new alias, because older versions
    /// allowed that.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(&self) -> Result<(), Invalid> {
        valid::check_known("model", &self.model)?;
        valid::check_known("name", &self.name)?;
        valid::check_counted("number", self.number)?;
        self.version.map_or(Ok(()), |version| valid::check_counted("version", version))?;
        valid::time("movedAt", self.moved_at)
    }
}
