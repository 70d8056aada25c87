//! The settings as variables, for another `mer` that is to have the same ones.

use std::ffi::OsString;

use figment::value::Value;

use super::{
    precedence::Loaded,
    schema::{CONFIG_VARIABLE, SETTINGS, Setting},
    value::as_path,
};

/// Settings of one command and its terminal, which another process does not get.
const OF_ONE_COMMAND: [&str; 6] = ["allowModelServerRuntimeChanges", "output", "noInput", "log", "logFormat", "serve"];

impl Loaded {
    /// Returns the variables that give another `mer` the settings of this one, whatever its working folder is. Some of them
    /// hold passwords.
    pub(crate) fn variables(&self) -> Vec<(String, OsString)> {
        let shared = SETTINGS.iter().filter(|setting| !OF_ONE_COMMAND.contains(&setting.name));
        let of = |setting: &Setting| {
            let value = self.figment.find_value(setting.name).ok()?;
            Some((setting.variable(), text(&value)?))
        };
        let file = self.named_file.iter().map(|file| (CONFIG_VARIABLE.to_owned(), file.clone().into_os_string()));
        shared.filter_map(of).chain(file).collect()
    }

    /// Whether a variable of the environment is a setting.
    pub(crate) fn is_setting(name: &str) -> bool {
        let other = |setting: &Setting| setting.variables.contains(&name);
        name.starts_with("MER_") || SETTINGS.iter().any(other)
    }
}

fn text(value: &Value) -> Option<OsString> {
    match value {
        Value::Bool(_, on) => Some(on.to_string().into()),
        other => other.as_str().map(OsString::from).or_else(|| as_path(other).map(Into::into)),
    }
}
