//! Settings files: TOML, one key for each setting.

use std::path::Path;

use mer_service::registry_file::Position;
use toml::de::DeTable;

use super::{
    layer::LayerValue,
    origin::Origin,
    schema::{SETTINGS, setting},
    trusted_file::{self, TrustedContent},
    value::{self, Base},
};
use crate::errors::{CliError, did_you_mean};

/// Reads the settings file that `--config` or `MER_CONFIG` names; `None` if it does not exist.
///
/// # Errors
/// It cannot be read, is not TOML, or has an unknown key or an invalid value (78).
pub(super) fn read_named(file: &Path, home: Option<&Path>) -> Result<Option<Vec<LayerValue>>, CliError> {
    let content = trusted_file::read_named(file).map_err(|error| unreadable(file, error))?;
    content.map(|content| parse(file, text(file, content)?.as_str(), home)).transpose()
}

/// Reads a settings file at one of the default paths. Returns no values if it does not exist, and a warning with it if others
/// can write to it.
///
/// # Errors
/// As [`read_named`].
pub(super) fn read_default(
    file: &Path,
    home: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Vec<LayerValue>, CliError> {
    match trusted_file::read_trusted(file).map_err(|error| unreadable(file, error))? {
        TrustedContent::Missing => Ok(Vec::new()),
        TrustedContent::Content(content) => parse(file, text(file, content)?.as_str(), home),
        TrustedContent::Ignored(why) => {
            warnings.push(format!("the settings file `{}` is ignored: {why}", file.display()));
            Ok(Vec::new())
        }
    }
}

fn unreadable(file: &Path, error: std::io::Error) -> CliError {
    CliError::config(format!("cannot read the settings file `{}`", file.display())).caused_by(error)
}

fn text(file: &Path, content: Vec<u8>) -> Result<String, CliError> {
    let not_utf8 = |_| CliError::config(format!("the settings file `{}` is not UTF-8", file.display()));
    String::from_utf8(content).map_err(not_utf8)
}

fn parse(file: &Path, text: &str, home: Option<&Path>) -> Result<Vec<LayerValue>, CliError> {
    let base = Base { folder: file.parent().unwrap_or(Path::new("")), home };
    let table = DeTable::parse(text).map_err(|error| {
        let place = Position::of_span(file, text, error.span());
        CliError::config(format!("{place}: this is not valid TOML")).caused_by(error.message().to_owned())
    })?;
    let mut values = Vec::new();
    for (key, value) in table.get_ref() {
        let place = Position::of_span(file, text, Some(key.span()));
        let Some(setting) = setting(key.get_ref()) else { return Err(unknown(&place, key.get_ref())) };
        let value = value::from_toml(setting, value.get_ref(), base).map_err(|why| {
            let position = Position::of_span(file, text, Some(value.span()));
            let error = CliError::config(format!("{position}: `{}` must be {}", setting.name, setting.kind.expected()));
            match why {
                Some(why) => error.caused_by(why),
                None => error,
            }
        })?;
        values.push(LayerValue { setting, value, origin: Origin::File(place), is_local: false });
    }
    Ok(values)
}

fn unknown(place: &Position, key: &str) -> CliError {
    let error = CliError::config(format!("{place}: unknown key `{key}`"));
    // `data_dir` and `data-dir` are likely spellings of `dataDir`.
    let plain = key.replace(['_', '-'], "");
    match did_you_mean(&plain, SETTINGS.iter().map(|setting| setting.name)) {
        Some(hint) => error.hint(hint),
        None => error.hint(format!(
            "known keys: {}",
            SETTINGS.iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ")
        )),
    }
}
