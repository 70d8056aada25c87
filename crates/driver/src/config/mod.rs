//! Settings: defaults, `/etc/mer/mer.toml`, `$XDG_CONFIG_HOME/mer/mer.toml`, `./mer.toml`, `./.env`, the environment,
//! flags; each layer over the one before (`precedence`). All settings are in one table (`schema`), from which reading,
//! checking, `mer config show` and the reference are made.

mod dotenv;
mod env_variables;
mod environment;
mod flags;
mod layer;
mod origin;
mod precedence;
#[cfg(test)]
mod reference;
mod resources;
mod schema;
mod secret;
mod settings;
mod settings_file;
mod show;
mod trusted_file;
mod value;
mod variables;

pub(crate) use environment::Environment;
pub(crate) use flags::NO_DOTENV;
pub(crate) use layer::FlagValue;
pub(crate) use precedence::{Loaded, load};
#[cfg(test)]
use reference::reference;
pub(crate) use settings::{Login, Settings};

#[cfg(test)]
mod tests;
