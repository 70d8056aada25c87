//! `mer config show`.

use figment::value::Value;
use mer_core::{REDACTED, redacted_url};
use serde::Serialize;

use super::{
    precedence::{Loaded, NO_DOTENV},
    schema::{SETTINGS, Setting, Type},
    value::as_path,
};
use crate::ui::TableRow;

/// A setting as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownSetting {
    /// Its name in settings files.
    pub(crate) name: &'static str,
    /// Its value, redacted where it is a secret; none where nothing is set.
    pub(crate) value: Option<serde_json::Value>,
    /// Where the value comes from.
    pub(crate) origin: String,
    /// The variable that would set it.
    pub(crate) variable: String,
}

impl Loaded {
    /// Every setting in the order of the table.
    pub(crate) fn shown(&self) -> Vec<ShownSetting> {
        SETTINGS.iter().map(|setting| self.shown_setting(setting)).collect()
    }

    /// Settings that hold a secret, and where each comes from.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for setting in SETTINGS {
            let Ok(value) = self.figment.find_value(setting.name) else { continue };
            let text = value.as_str().unwrap_or_default();
            if setting.secret || (setting.kind == Type::DbUrl && redacted_url(text) != text) {
                found.push((setting.name, self.shown_setting(setting).origin));
            }
        }
        found
    }

    /// The flags that chose the database, as words of a command line. A password in its URL is not shown.
    pub(crate) fn database_flags(&self) -> Vec<String> {
        let config = self.config.iter().flat_map(|file| ["--config".to_owned(), file.to_string_lossy().into_owned()]);
        let no_dotenv = self.no_dotenv.then(|| NO_DOTENV.to_owned());
        let chosen = SETTINGS.iter().filter(|setting| matches!(setting.name, "db" | "dataDir")).filter_map(|setting| {
            let shown = self.shown_setting(setting);
            let flag = shown.origin.strip_prefix("flag ")?;
            Some([flag.to_owned(), shown.value?.as_str()?.to_owned()])
        });
        config.chain(no_dotenv).chain(chosen.flatten()).collect()
    }

    fn shown_setting(&self, setting: &Setting) -> ShownSetting {
        let value = self.figment.find_value(setting.name).ok();
        let origin = self.figment.find_metadata(setting.name).map(|metadata| metadata.name.to_string());
        ShownSetting {
            name: setting.name,
            value: value.map(|value| shown_value(setting, &value)),
            origin: origin.unwrap_or_else(|| "default".to_owned()),
            variable: setting.variable(),
        }
    }
}

fn shown_value(setting: &Setting, value: &Value) -> serde_json::Value {
    match value {
        _ if setting.secret => REDACTED.into(),
        Value::Bool(_, on) => (*on).into(),
        other => match (setting.kind, other.as_str().unwrap_or_default()) {
            (Type::DbUrl, url) => redacted_url(url).into(),
            // One that is not UTF-8 is shown as well as it can be.
            (Type::Path, "") => as_path(other).map(|path| path.to_string_lossy().into_owned()).into(),
            (_, text) => text.into(),
        },
    }
}

impl TableRow for ShownSetting {
    const COLUMNS: &'static [&'static str] = &["setting", "value", "origin"];

    fn cells(&self) -> Vec<String> {
        let value = match &self.value {
            None => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        vec![self.name.to_owned(), value, self.origin.clone()]
    }
}
