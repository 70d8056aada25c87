//! From a text, or a value of a settings file, to a checked value.

use std::path::{Component, Path, PathBuf};

use figment::value::Value;
use mer_core::{Bound, Size};
use toml::de::DeValue;

use super::table::{Setting, Type};

/// What paths are relative to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base<'a> {
    /// The folder that a relative path begins in.
    pub(super) folder: &'a Path,
    /// The home, for `~/`.
    pub(super) home: Option<&'a Path>,
}

/// Reads a text; `Err` says what is wrong with it, where more is to be said than what was expected.
pub(super) fn from_text(setting: &Setting, text: &str, base: Base<'_>) -> Result<Value, Option<String>> {
    match setting.kind {
        Type::Text => Ok(Value::from(text)),
        Type::Path => path(text, base).map(Value::from),
        Type::Switch => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::from(true)),
            "false" | "no" | "off" | "0" => Ok(Value::from(false)),
            _ => Err(None),
        },
        Type::Bound => text.parse::<Bound>().map(|bound| Value::from(bound.to_string())).map_err(|_| None),
        Type::Size => text.parse::<Size>().map(|size| Value::from(size.to_string())).map_err(|_| None),
        Type::Choice(words) => {
            words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| Value::from(*word)).ok_or(None)
        }
        Type::DbUrl => db_url(text, base).map(Value::from),
    }
}

/// Reads a value of a settings file.
pub(super) fn from_toml(setting: &Setting, value: &DeValue<'_>, base: Base<'_>) -> Result<Value, Option<String>> {
    match (setting.kind, value) {
        (Type::Switch, DeValue::Boolean(on)) => Ok(Value::from(*on)),
        (Type::Bound | Type::Size, DeValue::Integer(number)) => from_text(setting, number.as_str(), base),
        (Type::Switch, _) => Err(None),
        (_, DeValue::String(text)) => from_text(setting, text, base),
        _ => Err(None),
    }
}

fn path(text: &str, base: Base<'_>) -> Result<String, Option<String>> {
    let expanded = match (text.strip_prefix("~/"), text) {
        (None, "~") => home(base)?,
        (Some(rest), _) => home(base)?.join(rest),
        (None, "") => return Err(None),
        (None, _) => base.folder.join(text),
    };
    tidy(&expanded).into_os_string().into_string().map_err(|_| Some("the path is no UTF-8".to_owned()))
}

fn home(base: Base<'_>) -> Result<PathBuf, Option<String>> {
    base.home.map(Path::to_owned).ok_or_else(|| Some("`~` is the home, and HOME is not set".to_owned()))
}

/// Without `.` in it. `..` stays: what it means depends on links.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

fn db_url(text: &str, base: Base<'_>) -> Result<String, Option<String>> {
    const OTHERS: [&str; 5] = ["mem://", "ws://", "wss://", "postgres://", "postgresql://"];
    if text == "embedded" || OTHERS.iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(text.to_owned());
    }
    match text.strip_prefix("surrealkv://") {
        Some(file) => Ok(format!("surrealkv://{}", path(file, base)?)),
        None => Err(None),
    }
}
