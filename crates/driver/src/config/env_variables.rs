//! Settings from variables: those of the environment, and those of `./.env`.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use mer_files::{FileKind, NotRegular};

use super::{
    dotenv,
    environment::Environment,
    layer::LayerValue,
    origin::Origin,
    schema::{OTHER_VARIABLES, SETTINGS, Setting},
    trusted_file::{self, TrustedContent},
    value::{self, Base},
};
use crate::errors::CliError;

/// Other programs use names such as `DB_CONNECTION_URL` too.
const DOTENV_HINT: &str = "if the file belongs to another program, `--no-dotenv` ignores it";

/// Reads the environment. Unknown variables that begin with `MER_` become warnings.
///
/// # Errors
/// A value does not fit its setting (78).
pub(super) fn from_environment(
    environment: &Environment,
    warnings: &mut Vec<String>,
) -> Result<Vec<LayerValue>, CliError> {
    for name in environment.variables.all().keys().filter_map(|name| name.to_str()) {
        warnings.extend(unknown(name).map(|why| format!("the environment variable {why}")));
    }
    let home = environment.home();
    let base = Base { folder: &environment.cwd, home: home.as_deref() };
    let mut values = Vec::new();
    for (setting, names) in with_variables() {
        let Some((name, text)) = names.iter().find_map(|name| Some((name, environment.variables.get(name)?))) else {
            continue;
        };
        let origin = Origin::Variable(name.clone());
        let source = || format!("the environment variable `{name}`");
        values.push(read(setting, text, base, origin, source)?);
    }
    Ok(values)
}

/// Reads `./.env`. Returns no values if it does not exist or is a folder, and a warning with it if others can write to it.
///
/// # Errors
/// It cannot be read, or a line that names a variable of MER's is invalid (78).
pub(super) fn from_dotenv(environment: &Environment, warnings: &mut Vec<String>) -> Result<Vec<LayerValue>, CliError> {
    let file = environment.cwd.join(".env");
    let unreadable = |error| CliError::config(format!("cannot read `{}`", file.display())).caused_by(error);
    let content = trusted_file::read_trusted(&file).or_else(|error| match NotRegular::within(&error) {
        // A folder of this name is often a Python environment.
        Some(FileKind::Folder) => Ok(TrustedContent::Missing),
        Some(_) => Ok(TrustedContent::Ignored(error.to_string())),
        None => Err(error),
    });
    let content = match content.map_err(unreadable)? {
        TrustedContent::Missing => return Ok(Vec::new()),
        TrustedContent::Content(content) => content,
        TrustedContent::Ignored(why) => {
            warnings.push(format!("`{}` is ignored: {why}", file.display()));
            return Ok(Vec::new());
        }
    };
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        warnings.push(format!("`{}` is ignored: it is UTF-16, not UTF-8", file.display()));
        return Ok(Vec::new());
    }
    let assignments = dotenv::parse(&content, is_ours).map_err(|invalid| {
        let at = format!("`{}`, line {}", file.display(), invalid.line);
        CliError::config(format!("{at}: `{}`: {}", invalid.name, invalid.reason)).hint(DOTENV_HINT)
    })?;
    for found in &assignments {
        let warning = |why| format!("`{}`, line {}: the variable {why}", file.display(), found.line);
        warnings.extend(unknown(&found.name).map(warning));
    }
    let home = environment.home();
    let base = Base { folder: &environment.cwd, home: home.as_deref() };
    let mut values = Vec::new();
    for (setting, names) in with_variables() {
        // The last assignment of a name wins, as in a shell.
        let last =
            |name: &String| assignments.iter().rev().find(|found| found.name == *name && !found.value.is_empty());
        let Some(found) = names.iter().find_map(last) else { continue };
        let origin = Origin::DotEnv { file: file.clone(), line: found.line, variable: found.name.clone() };
        let source = || format!("`{}`, line {}: `{}`", file.display(), found.line, found.name);
        let value = OsStr::from_bytes(&found.value);
        let value = read(setting, value, base, origin, source).map_err(|error| error.hint(DOTENV_HINT))?;
        values.push(LayerValue { is_local: true, ..value });
    }
    Ok(values)
}

/// Whether a variable sets a setting of MER's.
fn is_ours(name: &str) -> bool {
    with_variables().any(|(_, names)| names.iter().any(|known| known == name))
}

fn with_variables() -> impl Iterator<Item = (&'static Setting, Vec<String>)> {
    SETTINGS.iter().map(|setting| (setting, setting.all_variables()))
}

fn read(
    setting: &'static Setting,
    text: &OsStr,
    base: Base<'_>,
    origin: Origin,
    source: impl Fn() -> String,
) -> Result<LayerValue, CliError> {
    // The value is not quoted: it may be a secret in the wrong variable.
    let value = value::from_os(setting, text, base).map_err(|why| {
        let expected = setting.kind.expected();
        let error = CliError::config(format!("{} sets `{}`, which must be {expected}", source(), setting.name));
        match why {
            Some(why) => error.caused_by(why),
            None => error,
        }
    })?;
    Ok(LayerValue { setting, value, origin, is_local: false })
}

/// Returns the warning for a variable that begins with `MER_` and is unknown.
fn unknown(name: &str) -> Option<String> {
    let bare = name.strip_prefix("MER_")?;
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    // A model may call `mer`, and has variables such as `MER_RESOURCE_GPU`.
    if OTHER_VARIABLES.contains(&name) || bare.starts_with("RESOURCE_") || known.iter().any(|known| known == name) {
        return None;
    }
    // All of them begin with `MER_`, so only the rest is compared.
    let bares = known.iter().filter_map(|name| name.strip_prefix("MER_"));
    Some(match mer_core::nearest(bare, bares).first() {
        Some(near) => format!("`{name}` means nothing to MER; did you mean `MER_{near}`?"),
        None => format!("`{name}` means nothing to MER"),
    })
}
