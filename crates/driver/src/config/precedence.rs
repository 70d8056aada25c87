//! The layers, one over the other.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{
    environment::Surroundings,
    origin::Origin,
    schema::{self, CONFIG_VARIABLE, SETTINGS, Setting},
    secret::{self, Secret},
    settings::Settings,
    settings_file,
    value::{self, Base},
    variables,
};
use crate::errors::CliError;

/// One setting's value in one layer.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// Whether it was found in the working folder.
    pub(super) is_local: bool,
}

/// The flag that has `./.env` passed over. It is no setting: what it is about would be the place to set it.
pub(crate) const NO_DOTENV: &str = "--no-dotenv";

/// A flag that was given: the setting's name, the flag, the value.
pub(crate) type GivenFlag = (&'static str, &'static str, OsString);

/// Settings that are sent to a database.
const CREDENTIALS: [&str; 4] = ["driverDbUsername", "driverDbPassword", "migrationsDbUsername", "migrationsDbPassword"];

impl Given {
    /// The passwords in its value.
    fn passwords(&self) -> Vec<Secret> {
        let text = self.value.as_str().unwrap_or_default();
        match self.setting.kind {
            schema::Type::DbUrl => secret::passwords(text),
            _ if self.setting.secret => vec![text.to_owned().into()],
            _ => Vec::new(),
        }
    }
}

/// Each value is a provider of its own: that is how figment remembers which line or variable it came from.
impl Provider for Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = Dict::from([(self.setting.name.to_owned(), self.value.clone())]);
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The settings, and what is to be said about them.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// Things that are probably mistakes. They are told once logging is on.
    pub(crate) warnings: Vec<String>,
    /// The folder of the settings: it stands for a home folder where there is none.
    pub(crate) folder: PathBuf,
    /// The file of `--config`.
    pub(super) config: Option<OsString>,
    /// Every password of a database that any layer has, also where another one holds: no process may have them.
    pub(crate) passwords: Vec<Secret>,
    /// Whether `./.env` was to be passed over.
    pub(super) no_dotenv: bool,
    /// Whether the database's URL was found in the working folder: then it gets no credentials from elsewhere.
    pub(crate) database_is_local: bool,
    pub(super) figment: Figment,
}

/// Reads all layers. `flags` are setting, flag, value; `config` is the file of `--config`.
///
/// # Errors
/// A file, variable or flag is wrong; the message names it, the key, and what is expected.
pub(crate) fn load(around: &Surroundings, flags: &[GivenFlag], config: Option<&OsStr>) -> Result<Loaded, CliError> {
    let home = around.home();
    let home = home.as_deref();
    let mut warnings = Vec::new();
    let mut layers = files(around, config, home, &mut warnings)?;
    let no_dotenv = flags.iter().any(|(_, flag, _)| *flag == NO_DOTENV);
    if !no_dotenv {
        layers.extend(variables::dot_env(around, &mut warnings)?);
    }
    layers.extend(variables::environment(around, &mut warnings)?);
    layers.extend(variables::flags(flags, &around.cwd, home)?);
    let passwords = layers.iter().flat_map(Given::passwords).collect();
    let database_is_local = keep_credentials(&mut layers, &mut warnings);
    let data_dir = layers.iter().rev().find(|given| given.setting.name == "dataDir");
    let data_dir = data_dir.and_then(|given| value::as_path(&given.value));
    let defaults = defaults(around, data_dir, home);
    let figment = defaults.into_iter().chain(layers).fold(Figment::new(), Figment::merge);
    let settings = figment
        .extract()
        .map_err(|error| CliError::bug("the table of settings and their types disagree").caused_by(error))?;
    let folder = own_folder(around, config);
    let config = config.map(OsStr::to_owned);
    Ok(Loaded { settings, warnings, folder, config, passwords, no_dotenv, database_is_local, figment })
}

/// Takes credentials away that were not found in the working folder, where the database's URL was: the password may not
/// have been meant for the server that this file names. Returns whether the URL was found there.
fn keep_credentials(layers: &mut Vec<Given>, warnings: &mut Vec<String>) -> bool {
    let Some(url) = layers.iter().rev().find(|given| given.setting.name == "db").filter(|url| url.is_local) else {
        return false;
    };
    let text = url.value.as_str().unwrap_or_default();
    let is_server = !["embedded", "mem://"].contains(&text) && !text.starts_with("surrealkv://");
    let origin = url.origin.to_string();
    let is_foreign = |given: &Given| CREDENTIALS.contains(&given.setting.name) && !given.is_local;
    let secrets = layers.iter().filter(|given| is_server && is_foreign(given) && given.setting.secret);
    warnings.extend(secrets.map(|given| {
        format!(
            "`{}` ({}) is not sent to the database that `{origin}` names: a URL of the working folder is never joined with \
             credentials from elsewhere; set both in one place",
            given.setting.name, given.origin
        )
    }));
    layers.retain(|given| !is_foreign(given));
    true
}

/// The file that was named.
fn named(around: &Surroundings, config: Option<&OsStr>) -> Option<PathBuf> {
    let named = config.map(PathBuf::from).or_else(|| around.variables.path(CONFIG_VARIABLE));
    named.map(|named| around.cwd.join(named))
}

/// The folder of the file that was named, or else of the user's file, or of the system's.
fn own_folder(around: &Surroundings, config: Option<&OsStr>) -> PathBuf {
    let file = named(around, config).or_else(|| around.user_file()).unwrap_or_else(|| around.system_file.clone());
    file.parent().map(Path::to_owned).unwrap_or_default()
}

fn files(
    around: &Surroundings,
    config: Option<&OsStr>,
    home: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Given>, CliError> {
    if let Some(path) = named(around, config) {
        return settings_file::named(&path, home)?
            .ok_or_else(|| CliError::config(format!("there is no settings file `{}`", path.display())));
    }
    let usual: Vec<PathBuf> = [Some(around.system_file.clone()), around.user_file()].into_iter().flatten().collect();
    let mut layers = Vec::new();
    for path in &usual {
        layers.extend(settings_file::found(path, home, warnings)?);
    }
    let local = around.cwd.join("mer.toml");
    // In the folder of the others it is one of them.
    if !usual.contains(&local) {
        let found = settings_file::found(&local, home, warnings)?;
        layers.extend(found.into_iter().map(|given| Given { is_local: true, ..given }));
    }
    Ok(layers)
}

fn defaults(around: &Surroundings, data_dir: Option<PathBuf>, home: Option<&Path>) -> Vec<Given> {
    let base = Base { folder: &around.cwd, home };
    let found = |setting| around.default_of(setting, None);
    let data_dir = data_dir.or_else(|| schema::setting("dataDir").and_then(found));
    let value_of = |setting: &'static Setting| match setting.default {
        schema::Default::None => None,
        schema::Default::Is(text) => value::from_text(setting, text, base).ok(),
        schema::Default::Found(_) => around.default_of(setting, data_dir.as_deref()).map(value::path_value),
    };
    SETTINGS
        .iter()
        .filter_map(|setting| {
            Some(Given { setting, value: value_of(setting)?, origin: Origin::Default, is_local: false })
        })
        .collect()
}
