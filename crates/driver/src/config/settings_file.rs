//! A settings file: TOML, one key a setting.

use std::path::Path;

use mer_service::registry_file::Position;
use toml::de::DeTable;

use super::{
    origin::Origin,
    precedence::Given,
    schema::{SETTINGS, setting},
    trusted_file::{self, Found},
    value::{self, Base},
};
use crate::errors::{CliError, did_you_mean};

/// Reads a settings file that was named. Nothing where it does not exist.
///
/// # Errors
/// It cannot be read, is no TOML, or has a key or a value that is not known.
pub(super) fn named(file: &Path, home: Option<&Path>) -> Result<Option<Vec<Given>>, CliError> {
    let content = trusted_file::named(file).map_err(|error| unreadable(file, error))?;
    content.map(|content| parse(file, text(file, content)?.as_str(), home)).transpose()
}

/// Reads a settings file in one of the usual places. Nothing where it does not exist; nothing and a warning where others can
/// write to it.
///
/// # Errors
/// As [`named`].
pub(super) fn found(file: &Path, home: Option<&Path>, warnings: &mut Vec<String>) -> Result<Vec<Given>, CliError> {
    match trusted_file::found(file).map_err(|error| unreadable(file, error))? {
        Found::Nothing => Ok(Vec::new()),
        Found::Content(content) => parse(file, text(file, content)?.as_str(), home),
        Found::PassedOver(why) => {
            warnings.push(format!("the settings file `{}` is passed over: {why}", file.display()));
            Ok(Vec::new())
        }
    }
}

fn unreadable(file: &Path, error: std::io::Error) -> CliError {
    CliError::config(format!("cannot read the settings file `{}`", file.display())).caused_by(error)
}

fn text(file: &Path, content: Vec<u8>) -> Result<String, CliError> {
    let no_text = |_| CliError::config(format!("the settings file `{}` is not UTF-8", file.display()));
    String::from_utf8(content).map_err(no_text)
}

fn parse(file: &Path, text: &str, home: Option<&Path>) -> Result<Vec<Given>, CliError> {
    let base = Base { folder: file.parent().unwrap_or(Path::new("")), home };
    let table = DeTable::parse(text).map_err(|error| {
        let place = Position::of_span(file, text, error.span());
        CliError::config(format!("{place}: this is no TOML")).caused_by(error.message().to_owned())
    })?;
    let mut given = Vec::new();
    for (key, value) in table.get_ref() {
        let place = Position::of_span(file, text, Some(key.span()));
        let Some(setting) = setting(key.get_ref()) else { return Err(unknown(&place, key.get_ref())) };
        let value = value::from_toml(setting, value.get_ref(), base).map_err(|why| {
            let place = Position::of_span(file, text, Some(value.span()));
            let wrong = CliError::config(format!("{place}: `{}` must be {}", setting.name, setting.kind.expected()));
            match why {
                Some(why) => wrong.caused_by(why),
                None => wrong,
            }
        })?;
        given.push(Given { setting, value, origin: Origin::File(place), is_local: false });
    }
    Ok(given)
}

fn unknown(place: &Position, key: &str) -> CliError {
    let error = CliError::config(format!("{place}: unknown key `{key}`"));
    // `data_dir` and `data-dir` are the same name to a person.
    let plain = key.replace(['_', '-'], "");
    match did_you_mean(&plain, SETTINGS.iter().map(|setting| setting.name)) {
        Some(hint) => error.hint(hint),
        None => error.hint(format!(
            "known keys: {}",
            SETTINGS.iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ")
        )),
    }
}
