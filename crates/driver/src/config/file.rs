//! A settings file: TOML, one key a setting.

use std::{io, path::Path, time::Duration};

use mer_files::{FileKind, NotRegular};
use toml::de::DeTable;

use super::{
    load::Given,
    origin::Origin,
    table::{SETTINGS, setting},
    value::{self, Base},
};
use crate::{
    error::{CliError, did_you_mean},
    place::Place,
};

/// How long the writer of a pipe may take that is named as the settings file (`--config <(…)`).
const PIPE_BOUND: Duration = Duration::from_secs(10);

/// Reads the settings file that was named: it may be a pipe.
///
/// # Errors
/// As [`read`].
pub(super) fn read_named(file: &Path, home: Option<&Path>) -> Result<Option<Vec<Given>>, CliError> {
    let text = mer_files::read_given_to_string(file).or_else(|error| match NotRegular::within(&error) {
        Some(FileKind::Pipe) => mer_files::read_pipe_within(file, PIPE_BOUND)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)),
        _ => Err(error),
    });
    understand(file, text, home)
}

/// Reads a settings file. Nothing where it does not exist.
///
/// # Errors
/// It cannot be read, is no TOML, or has a key or a value that is not known.
pub(super) fn read(file: &Path, home: Option<&Path>) -> Result<Option<Vec<Given>>, CliError> {
    understand(file, mer_files::read_given_to_string(file), home)
}

fn understand(file: &Path, text: io::Result<String>, home: Option<&Path>) -> Result<Option<Vec<Given>>, CliError> {
    let text = match text {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(
                CliError::config(format!("cannot read the settings file `{}`", file.display())).caused_by(error)
            );
        }
    };
    parse(file, &text, home).map(Some)
}

fn parse(file: &Path, text: &str, home: Option<&Path>) -> Result<Vec<Given>, CliError> {
    let base = Base { folder: file.parent().unwrap_or(Path::new("")), home };
    let table = DeTable::parse(text).map_err(|error| {
        let place = Place::of_span(file, text, error.span());
        CliError::config(format!("{place}: this is no TOML")).caused_by(error.message().to_owned())
    })?;
    let mut given = Vec::new();
    for (key, value) in table.get_ref() {
        let place = Place::of_span(file, text, Some(key.span()));
        let Some(setting) = setting(key.get_ref()) else { return Err(unknown(&place, key.get_ref())) };
        let value = value::from_toml(setting, value.get_ref(), base).map_err(|why| {
            let place = Place::of_span(file, text, Some(value.span()));
            let wrong = CliError::config(format!("{place}: `{}` must be {}", setting.name, setting.kind.expected()));
            match why {
                Some(why) => wrong.caused_by(why),
                None => wrong,
            }
        })?;
        given.push(Given { setting, value, origin: Origin::File(place) });
    }
    Ok(given)
}

fn unknown(place: &Place, key: &str) -> CliError {
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
