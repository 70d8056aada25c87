//! The precedence of settings: defaults, settings files, `./.env`, the environment, flags; later layers win.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use figment::Figment;

use super::{
    env_variables,
    environment::Environment,
    flags::{self, NO_DOTENV},
    layer::{FlagValue, LayerValue},
    origin::Origin,
    schema::{self, CONFIG_VARIABLE, SETTINGS, Setting},
    secret::Secret,
    settings::Settings,
    settings_file,
    value::{self, Base},
};
use crate::errors::CliError;

/// Settings that are sent to a database.
const CREDENTIALS: [&str; 4] = ["driverDbUsername", "driverDbPassword", "migrationsDbUsername", "migrationsDbPassword"];

/// The merged settings, and facts about their layers.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The merged settings.
    pub(crate) settings: Settings,
    /// Probable mistakes, to be logged once logging has started.
    pub(crate) warnings: Vec<String>,
    /// Folder of the settings file; it stands in for the home folder if there is none.
    pub(crate) folder: PathBuf,
    /// The file of `--config`.
    pub(super) config: Option<OsString>,
    /// The settings file that `--config` or MER_CONFIG names; none if the default ones were read.
    pub(super) named_file: Option<PathBuf>,
    /// Passwords of a database in any layer, also where a later layer wins: no other process may get them.
    pub(crate) passwords: Vec<Secret>,
    /// Whether `--no-dotenv` was given.
    pub(super) no_dotenv: bool,
    /// Whether the database's URL was found in the working directory: it is not joined with credentials from elsewhere.
    pub(crate) database_is_local: bool,
    /// Each value with its origin.
    pub(super) figment: Figment,
}

/// Reads and merges all layers. `config` is the file of `--config`.
///
/// # Errors
/// A file or variable (78) or a flag (64) is invalid; the message names it, the key, and what is expected.
pub(crate) fn load(environment: &Environment, flags: &[FlagValue], config: Option<&OsStr>) -> Result<Loaded, CliError> {
    let home = environment.home();
    let home = home.as_deref();
    let mut warnings = Vec::new();
    let mut layers = files(environment, config, home, &mut warnings)?;
    let no_dotenv = flags.iter().any(|(_, flag, _)| *flag == NO_DOTENV);
    if !no_dotenv {
        layers.extend(env_variables::from_dotenv(environment, &mut warnings)?);
    }
    layers.extend(env_variables::from_environment(environment, &mut warnings)?);
    layers.extend(flags::read(flags, &environment.cwd, home)?);
    drop_settings_of_machine(&mut layers, &mut warnings);
    let passwords = layers.iter().flat_map(LayerValue::passwords).collect();
    let database_is_local = drop_foreign_credentials(&mut layers, &mut warnings);
    let data_dir = layers.iter().rev().find(|layer| layer.setting.name == "dataDir");
    let data_dir = data_dir.and_then(|layer| value::as_path(&layer.value));
    let defaults = defaults(environment, data_dir, home);
    let figment = defaults.into_iter().chain(layers).fold(Figment::new(), Figment::merge);
    let settings = figment
        .extract()
        .map_err(|error| CliError::bug("the table of settings and their types disagree").caused_by(error))?;
    let folder = settings_folder(environment, config);
    let named_file = named_file(environment, config);
    let config = config.map(OsStr::to_owned);
    Ok(Loaded { settings, warnings, folder, config, named_file, passwords, no_dotenv, database_is_local, figment })
}

/// Drops what the working folder says about the machine: its limits hold for every `mer` of it, wherever that is started.
fn drop_settings_of_machine(layers: &mut Vec<LayerValue>, warnings: &mut Vec<String>) {
    let is_foreign = |layer: &LayerValue| layer.setting.of_machine && layer.is_local;
    warnings.extend(layers.iter().filter(|layer| is_foreign(layer)).map(|layer| {
        format!(
            "`{}` ({}) is ignored: it describes the machine, and is read from the files of the system and of the user, from \
             the environment, and from the file that `--config` names",
            layer.setting.name, layer.origin
        )
    }));
    layers.retain(|layer| !is_foreign(layer));
}

/// If the database's URL was found in the working directory, drops credentials from elsewhere: they may not be meant for the
/// server that this file names. Returns whether the URL was found there.
fn drop_foreign_credentials(layers: &mut Vec<LayerValue>, warnings: &mut Vec<String>) -> bool {
    let Some(url) = layers.iter().rev().find(|layer| layer.setting.name == "db").filter(|url| url.is_local) else {
        return false;
    };
    let text = url.value.as_str().unwrap_or_default();
    let is_server = !["embedded", "mem://"].contains(&text) && !text.starts_with("surrealkv://");
    let origin = url.origin.to_string();
    let is_foreign = |layer: &LayerValue| CREDENTIALS.contains(&layer.setting.name) && !layer.is_local;
    let secrets = layers.iter().filter(|layer| is_server && is_foreign(layer) && layer.setting.secret);
    warnings.extend(secrets.map(|layer| {
        format!(
            "`{}` ({}) is not sent to the database that `{origin}` names: a URL of the working folder is never joined with \
             credentials from elsewhere; set both in one place",
            layer.setting.name, layer.origin
        )
    }));
    layers.retain(|layer| !is_foreign(layer));
    true
}

/// Returns the file that `--config` or `MER_CONFIG` names.
fn named_file(environment: &Environment, config: Option<&OsStr>) -> Option<PathBuf> {
    let file = config.map(PathBuf::from).or_else(|| environment.variables.path(CONFIG_VARIABLE));
    file.map(|file| environment.cwd.join(file))
}

/// Returns the folder of the named file, otherwise of the user's file, otherwise of the system's.
fn settings_folder(environment: &Environment, config: Option<&OsStr>) -> PathBuf {
    let file = named_file(environment, config).or_else(|| environment.user_file());
    let file = file.unwrap_or_else(|| environment.system_file.clone());
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Reads the named file, or those at the default paths.
fn files(
    environment: &Environment,
    config: Option<&OsStr>,
    home: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Vec<LayerValue>, CliError> {
    if let Some(path) = named_file(environment, config) {
        return settings_file::read_named(&path, home)?
            .ok_or_else(|| CliError::config(format!("there is no settings file `{}`", path.display())));
    }
    let defaults = [Some(environment.system_file.clone()), environment.user_file()];
    let defaults: Vec<PathBuf> = defaults.into_iter().flatten().collect();
    let mut layers = Vec::new();
    for path in &defaults {
        layers.extend(settings_file::read_default(path, home, warnings)?);
    }
    let local = environment.cwd.join("mer.toml");
    // The working directory may be the folder of one of the other files.
    if !defaults.contains(&local) {
        let values = settings_file::read_default(&local, home, warnings)?;
        layers.extend(values.into_iter().map(|value| LayerValue { is_local: true, ..value }));
    }
    Ok(layers)
}

fn defaults(environment: &Environment, data_dir: Option<PathBuf>, home: Option<&Path>) -> Vec<LayerValue> {
    let base = Base { folder: &environment.cwd, home };
    let default = |setting| environment.default_of(setting, None);
    let data_dir = data_dir.or_else(|| schema::setting("dataDir").and_then(default));
    let value_of = |setting: &'static Setting| match setting.default {
        schema::Default::None => None,
        schema::Default::Fixed(text) => value::from_text(setting, text, base).ok(),
        schema::Default::FromEnvironment(_) => {
            environment.default_of(setting, data_dir.as_deref()).map(value::path_value)
        }
    };
    SETTINGS
        .iter()
        .filter_map(|setting| {
            Some(LayerValue { setting, value: value_of(setting)?, origin: Origin::Default, is_local: false })
        })
        .collect()
}
