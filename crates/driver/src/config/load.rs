//! The layers, one over the other.

use std::path::{Path, PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{
    file,
    origin::Origin,
    settings::Settings,
    surroundings::Surroundings,
    table::{self, CONFIG_VARIABLE, SETTINGS, Setting},
    value::{self, Base},
    variables,
};
use crate::error::CliError;

/// One setting's value in one layer.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) value: Value,
    pub(super) origin: Origin,
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
    pub(super) config: Option<String>,
    pub(super) figment: Figment,
}

/// Reads all layers. `flags` are setting, flag, value; `config` is the file of `--config`.
///
/// # Errors
/// A file, variable or flag is wrong; the message names it, the key, and what is expected.
pub(crate) fn load(
    around: &Surroundings,
    flags: &[(&'static str, &'static str, String)],
    config: Option<&str>,
) -> Result<Loaded, CliError> {
    let home = around.home();
    let home = home.as_deref();
    let mut warnings = Vec::new();
    let mut layers = files(around, config, home)?;
    layers.extend(variables::dot_env(around, &mut warnings)?);
    layers.extend(variables::environment(around, &mut warnings)?);
    layers.extend(variables::flags(flags, &around.cwd, home)?);
    let data_dir = layers.iter().rev().find(|given| given.setting.name == "dataDir");
    let data_dir = data_dir.and_then(|given| given.value.as_str()).map(PathBuf::from);
    let defaults = defaults(around, data_dir, home);
    let figment = defaults.into_iter().chain(layers).fold(Figment::new(), Figment::merge);
    let settings = figment.extract().map_err(|error| {
        CliError::new(crate::error::Kind::Bug, "the table of settings and their types disagree").caused_by(error)
    })?;
    let folder = own_folder(around, config);
    Ok(Loaded { settings, warnings, folder, config: config.map(str::to_owned), figment })
}

/// The file that was named.
fn named(around: &Surroundings, config: Option<&str>) -> Option<PathBuf> {
    let named = config.map(PathBuf::from).or_else(|| around.variable(CONFIG_VARIABLE).map(PathBuf::from));
    named.map(|named| around.cwd.join(named))
}

/// The folder of the file that was named, or else of the user's file, or of the system's.
fn own_folder(around: &Surroundings, config: Option<&str>) -> PathBuf {
    let file = named(around, config).or_else(|| around.user_file()).unwrap_or_else(|| around.system_file.clone());
    file.parent().map(Path::to_owned).unwrap_or_default()
}

fn files(around: &Surroundings, config: Option<&str>, home: Option<&Path>) -> Result<Vec<Given>, CliError> {
    if let Some(path) = named(around, config) {
        return file::read_named(&path, home)?
            .ok_or_else(|| CliError::config(format!("there is no settings file `{}`", path.display())));
    }
    let usual = [Some(around.system_file.clone()), around.user_file(), Some(around.cwd.join("mer.toml"))];
    let mut layers = Vec::new();
    for path in usual.into_iter().flatten() {
        layers.extend(file::read(&path, home)?.unwrap_or_default());
    }
    Ok(layers)
}

fn defaults(around: &Surroundings, data_dir: Option<PathBuf>, home: Option<&Path>) -> Vec<Given> {
    let base = Base { folder: &around.cwd, home };
    let found = |setting| around.default_of(setting, None);
    let data_dir = data_dir.or_else(|| table::setting("dataDir").and_then(found));
    let value_of = |setting: &'static Setting| match setting.default {
        table::Default::None => None,
        table::Default::Is(text) => value::from_text(setting, text, base).ok(),
        table::Default::Found(_) => {
            let path = around.default_of(setting, data_dir.as_deref())?;
            path.into_os_string().into_string().ok().map(Value::from)
        }
    };
    SETTINGS
        .iter()
        .filter_map(|setting| Some(Given { setting, value: value_of(setting)?, origin: Origin::Default }))
        .collect()
}
