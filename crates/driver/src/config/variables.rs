//! Variables: those of `.env`, and those of the environment.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use mer_files::{FileKind, NotRegular};

use super::{
    dotenv,
    environment::Surroundings,
    origin::Origin,
    precedence::{Given, GivenFlag},
    schema::{OTHER_VARIABLES, SETTINGS, Setting},
    trusted_file::{self, Found},
    value::{self, Base},
};
use crate::errors::CliError;

/// `DB_CONNECTION_URL` is a name that other programs give to their settings too.
const OTHERS_FILE: &str = "where the file belongs to another program, `--no-dotenv` passes it over";

/// Reads the environment. Unknown variables that look like ours become warnings.
///
/// # Errors
/// A variable's value is none for its setting.
pub(super) fn environment(around: &Surroundings, warnings: &mut Vec<String>) -> Result<Vec<Given>, CliError> {
    for name in around.variables.all().keys().filter_map(|name| name.to_str()) {
        warnings.extend(unknown(name).map(|why| format!("the environment variable {why}")));
    }
    let home = around.home();
    let base = Base { folder: &around.cwd, home: home.as_deref() };
    let mut given = Vec::new();
    for (setting, names) in with_variables() {
        let Some((name, text)) = names.iter().find_map(|name| Some((name, around.variables.get(name)?))) else {
            continue;
        };
        let origin = Origin::Variable(name.clone());
        let wrong = || format!("the environment variable `{name}`");
        given.push(read(setting, text, base, origin, wrong)?);
    }
    Ok(given)
}

/// Reads `./.env`. Nothing where it does not exist or is a folder; nothing and a warning where others can write to it.
///
/// # Errors
/// It cannot be read, or a line that is to set something of MER's is wrong.
pub(super) fn dot_env(around: &Surroundings, warnings: &mut Vec<String>) -> Result<Vec<Given>, CliError> {
    let file = around.cwd.join(".env");
    let unreadable = |error| CliError::config(format!("cannot read `{}`", file.display())).caused_by(error);
    let found = trusted_file::found(&file).or_else(|error| match NotRegular::within(&error) {
        // Some people keep a Python environment in a folder of that name.
        Some(FileKind::Folder) => Ok(Found::Nothing),
        Some(_) => Ok(Found::PassedOver(error.to_string())),
        None => Err(error),
    });
    let content = match found.map_err(unreadable)? {
        Found::Nothing => return Ok(Vec::new()),
        Found::Content(content) => content,
        Found::PassedOver(why) => {
            warnings.push(format!("`{}` is passed over: {why}", file.display()));
            return Ok(Vec::new());
        }
    };
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        warnings.push(format!("`{}` is passed over: it is UTF-16, and UTF-8 is read", file.display()));
        return Ok(Vec::new());
    }
    let assignments = dotenv::parse(&content, is_ours).map_err(|wrong| {
        CliError::config(format!("`{}`, line {}: `{}`: {}", file.display(), wrong.line, wrong.name, wrong.what))
            .hint(OTHERS_FILE)
    })?;
    for found in &assignments {
        let place = |why| format!("`{}`, line {}: the variable {why}", file.display(), found.line);
        warnings.extend(unknown(&found.name).map(place));
    }
    let home = around.home();
    let base = Base { folder: &around.cwd, home: home.as_deref() };
    let mut given = Vec::new();
    for (setting, names) in with_variables() {
        // The last assignment of a name counts, as in a shell.
        let last =
            |name: &String| assignments.iter().rev().find(|found| found.name == *name && !found.value.is_empty());
        let Some(found) = names.iter().find_map(last) else { continue };
        let origin = Origin::DotEnv { file: file.clone(), line: found.line, variable: found.name.clone() };
        let wrong = || format!("`{}`, line {}: `{}`", file.display(), found.line, found.name);
        let value = OsStr::from_bytes(&found.value);
        given.push(read(setting, value, base, origin, wrong).map_err(|error| error.hint(OTHERS_FILE))?);
    }
    Ok(given.into_iter().map(|given| Given { is_local: true, ..given }).collect())
}

/// Whether a variable sets something of MER's.
fn is_ours(name: &str) -> bool {
    with_variables().any(|(_, names)| names.iter().any(|known| known == name))
}

/// Reads flags.
///
/// # Errors
/// A flag's value is none for its setting (64).
pub(super) fn flags(flags: &[GivenFlag], cwd: &Path, home: Option<&Path>) -> Result<Vec<Given>, CliError> {
    let base = Base { folder: cwd, home };
    let find = |name: &str| SETTINGS.iter().find(|setting| setting.name == name);
    let mut given = Vec::new();
    for (setting, flag, text) in flags.iter().filter_map(|(name, flag, text)| Some((find(name)?, *flag, text))) {
        let value = value::from_os(setting, text, base).map_err(|why| {
            let wrong = CliError::usage(format!("`{flag}` must be {}", setting.kind.expected()));
            match why {
                Some(why) => wrong.caused_by(why),
                None => wrong,
            }
        })?;
        given.push(Given { setting, value, origin: Origin::Flag(flag), is_local: false });
    }
    Ok(given)
}

fn with_variables() -> impl Iterator<Item = (&'static Setting, Vec<String>)> {
    SETTINGS.iter().map(|setting| (setting, setting.all_variables()))
}

fn read(
    setting: &'static Setting,
    text: &OsStr,
    base: Base<'_>,
    origin: Origin,
    named: impl Fn() -> String,
) -> Result<Given, CliError> {
    // What was written is not quoted back: it may be a secret in the wrong place.
    let value = value::from_os(setting, text, base).map_err(|why| {
        let wrong =
            CliError::config(format!("{} sets `{}`, which must be {}", named(), setting.name, setting.kind.expected()));
        match why {
            Some(why) => wrong.caused_by(why),
            None => wrong,
        }
    })?;
    Ok(Given { setting, value, origin, is_local: false })
}

/// What is to be said of a variable that begins with `MER_` and means nothing.
fn unknown(name: &str) -> Option<String> {
    let bare = name.strip_prefix("MER_")?;
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    if OTHER_VARIABLES.contains(&name) || known.iter().any(|known| known == name) {
        return None;
    }
    // All of them begin alike: only the rest says how near a name is.
    let bares = known.iter().filter_map(|name| name.strip_prefix("MER_"));
    Some(match mer_core::nearest(bare, bares).first() {
        Some(near) => format!("`{name}` means nothing to MER; did you mean `MER_{near}`?"),
        None => format!("`{name}` means nothing to MER"),
    })
}
