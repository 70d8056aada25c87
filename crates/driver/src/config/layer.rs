//! Values of settings before they are merged.

use std::ffi::OsString;

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{
    origin::Origin,
    schema::{Setting, Type},
    secret::{self, Secret},
};

/// One setting's value in one layer.
#[derive(Debug, Clone)]
pub(super) struct LayerValue {
    pub(super) setting: &'static Setting,
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// Whether it was found in the working directory.
    pub(super) is_local: bool,
}

/// A setting that a flag gives: name of the setting, flag, value.
pub(crate) type FlagValue = (&'static str, &'static str, OsString);

impl LayerValue {
    /// Returns the passwords in the value.
    pub(super) fn passwords(&self) -> Vec<Secret> {
        let text = self.value.as_str().unwrap_or_default();
        match self.setting.kind {
            Type::DbUrl => secret::passwords(text),
            _ if self.setting.secret => vec![text.to_owned().into()],
            _ => Vec::new(),
        }
    }
}

/// Each value is a separate provider: this is how figment remembers which line or variable it came from.
impl Provider for LayerValue {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = Dict::from([(self.setting.name.to_owned(), self.value.clone())]);
        Ok(Map::from([(Profile::Default, dict)]))
    }
}
