//! The rows of `mer config show`.

use figment::value::Value;
use mer_core::{REDACTED, redacted_url};
use serde::Serialize;

use super::{
    flags::NO_DOTENV,
    precedence::Loaded,
    schema::{SETTINGS, Setting, Type},
    value::as_path,
};
use crate::ui::{CellFormat, TableRow};

/// A setting, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingRow {
    /// Name in settings files.
    pub(crate) name: &'static str,
    /// Value, redacted if it is a secret; `None` if nothing is set.
    pub(crate) value: Option<serde_json::Value>,
    /// Origin of the value.
    pub(crate) origin: String,
    /// The variable that would set it.
    pub(crate) variable: String,
}

impl Loaded {
    /// Returns every setting in the order of the table.
    pub(crate) fn setting_rows(&self) -> Vec<SettingRow> {
        SETTINGS.iter().map(|setting| self.setting_row(setting)).collect()
    }

    /// Returns the settings that hold a secret, and where each comes from.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for setting in SETTINGS {
            let Ok(value) = self.figment.find_value(setting.name) else { continue };
            let text = value.as_str().unwrap_or_default();
            if setting.secret || (setting.kind == Type::DbUrl && redacted_url(text) != text) {
                found.push((setting.name, self.setting_row(setting).origin));
            }
        }
        found
    }

    /// Returns the flags that choose the database, as words of a command line. A password in its URL is redacted.
    pub(crate) fn database_flags(&self) -> Vec<String> {
        let config = self.config.iter().flat_map(|file| ["--config".to_owned(), file.to_string_lossy().into_owned()]);
        let no_dotenv = self.no_dotenv.then(|| NO_DOTENV.to_owned());
        let chosen = SETTINGS.iter().filter(|setting| matches!(setting.name, "db" | "dataDir")).filter_map(|setting| {
            let row = self.setting_row(setting);
            let flag = row.origin.strip_prefix("flag ")?;
            Some([flag.to_owned(), row.value?.as_str()?.to_owned()])
        });
        config.chain(no_dotenv).chain(chosen.flatten()).collect()
    }

    fn setting_row(&self, setting: &Setting) -> SettingRow {
        let value = self.figment.find_value(setting.name).ok();
        let origin = self.figment.find_metadata(setting.name).map(|metadata| metadata.name.to_string());
        SettingRow {
            name: setting.name,
            value: value.map(|value| displayed_value(setting, &value)),
            origin: origin.unwrap_or_else(|| "default".to_owned()),
            variable: setting.variable(),
        }
    }
}

fn displayed_value(setting: &Setting, value: &Value) -> serde_json::Value {
    match value {
        _ if setting.secret => REDACTED.into(),
        Value::Bool(_, on) => (*on).into(),
        other => match (setting.kind, other.as_str().unwrap_or_default()) {
            (Type::DbUrl, url) => redacted_url(url).into(),
            // A path that is not UTF-8 is shown with replacement characters.
            (Type::Path, "") => as_path(other).map(|path| path.to_string_lossy().into_owned()).into(),
            (_, text) => text.into(),
        },
    }
}

impl TableRow for SettingRow {
    const COLUMNS: &'static [&'static str] = &["setting", "value", "origin"];

    fn cells(&self, _: &CellFormat) -> Vec<String> {
        let value = match &self.value {
            None => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        vec![self.name.to_owned(), value, self.origin.clone()]
    }
}
