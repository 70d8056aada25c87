//! Parses and checks values of settings.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Component, Path, PathBuf},
};

use figment::value::Value;
use mer_core::{Bound, Size};
use serde::{Deserialize, Deserializer};
use toml::de::DeValue;

use super::{
    resources::Resources,
    schema::{Setting, Type},
};

/// The folders that paths begin at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base<'a> {
    /// Folder that a relative path begins at.
    pub(super) folder: &'a Path,
    /// Home folder, for `~/`.
    pub(super) home: Option<&'a Path>,
}

/// Parses the value of a variable or flag. Only a path may be other than UTF-8.
pub(super) fn from_os(setting: &Setting, value: &OsStr, base: Base<'_>) -> Result<Value, Option<String>> {
    match (value.to_str(), setting.kind) {
        (Some(text), _) => from_text(setting, text, base),
        (None, Type::Path) => path(value, base).map(path_value),
        (None, _) => Err(Some("it is not UTF-8".to_owned())),
    }
}

/// Parses a text. `Err` has a reason if there is more to say than what was expected.
pub(super) fn from_text(setting: &Setting, text: &str, base: Base<'_>) -> Result<Value, Option<String>> {
    match setting.kind {
        Type::Text => Ok(Value::from(text)),
        Type::Path => path(OsStr::new(text), base).map(path_value),
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
        Type::Resources => Ok(Value::from(text.parse::<Resources>().map_err(Some)?.to_string())),
        Type::Name if mer_core::is_resource_name(text) => Ok(Value::from(text)),
        Type::Name => Err(None),
    }
}

/// Parses a value of a settings file.
pub(super) fn from_toml(setting: &Setting, value: &DeValue<'_>, base: Base<'_>) -> Result<Value, Option<String>> {
    match (setting.kind, value) {
        (Type::Switch, DeValue::Boolean(on)) => Ok(Value::from(*on)),
        (Type::Bound | Type::Size, DeValue::Integer(number)) => from_text(setting, number.as_str(), base),
        (Type::Switch, _) => Err(None),
        (Type::Resources, DeValue::Table(_)) => Ok(Value::from(Resources::from_toml(value)?.to_string())),
        (_, DeValue::String(text)) => from_text(setting, text, base),
        _ => Err(None),
    }
}

fn path(text: &OsStr, base: Base<'_>) -> Result<PathBuf, Option<String>> {
    // A multi-line string in TOML ends with a line end; in a file from Windows, with two characters.
    if text.as_bytes().iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(Some("it has a line end or a NUL byte in it".to_owned()));
    }
    let expanded = match (text.as_bytes().strip_prefix(b"~/"), text.as_bytes()) {
        (None, b"~") => home(base)?,
        (Some(rest), _) => home(base)?.join(OsStr::from_bytes(rest)),
        (None, b"") => return Err(None),
        (None, _) => base.folder.join(text),
    };
    Ok(without_dots(&expanded))
}

/// Converts a path into a value: a text, or bytes if it is not UTF-8.
pub(super) fn path_value(path: PathBuf) -> Value {
    match path.into_os_string().into_string() {
        Ok(text) => Value::from(text),
        Err(path) => Value::from(path.into_vec()),
    }
}

/// Returns the path in a value.
pub(super) fn as_path(value: &Value) -> Option<PathBuf> {
    read_path(value).ok()
}

/// Deserialises what [`path_value`] has made.
pub(super) fn read_path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(PathBuf),
        Bytes(Vec<u8>),
    }
    Ok(match Form::deserialize(from)? {
        Form::Text(path) => path,
        Form::Bytes(bytes) => OsString::from_vec(bytes).into(),
    })
}

/// As [`read_path`], of a setting without a default.
pub(super) fn read_optional_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    read_path(from).map(Some)
}

fn home(base: Base<'_>) -> Result<PathBuf, Option<String>> {
    base.home.map(Path::to_owned).ok_or_else(|| Some("`~` is the home folder, and HOME is not set".to_owned()))
}

/// Removes `.` from a path. `..` stays, because its meaning depends on links.
fn without_dots(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

fn db_url(text: &str, base: Base<'_>) -> Result<String, Option<String>> {
    // Usually a carriage return of a file from Windows: with it `mem://` would be another database.
    if let Some(found) = text.chars().find(|c| c.is_control()) {
        return Err(Some(format!("it has the control character {found:?} in it")));
    }
    const OTHERS: [&str; 5] = ["mem://", "ws://", "wss://", "postgres://", "postgresql://"];
    if text == "embedded" || OTHERS.iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(text.to_owned());
    }
    match text.strip_prefix("surrealkv://") {
        Some(file) => {
            let not_utf8 = |_| Some("the engine needs a path that is UTF-8".to_owned());
            let file = path(OsStr::new(file), base)?.into_os_string().into_string().map_err(not_utf8)?;
            Ok(format!("surrealkv://{file}"))
        }
        None => Err(None),
    }
}
