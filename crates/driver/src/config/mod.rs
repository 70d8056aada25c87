//! Settings: defaults, `/etc/mer/mer.toml`, `$XDG_CONFIG_HOME/mer/mer.toml`, `./mer.toml`, `./.env`, the environment,
//! flags; each layer over the one before. Every setting stands in one table ([`SETTINGS`]), from which reading, checking,
//! `mer config show` and the reference are made.

mod dotenv;
mod environment;
mod origin;
mod precedence;
#[cfg(test)]
mod reference;
mod schema;
mod secret;
mod settings;
mod settings_file;
mod show;
mod trusted_file;
mod value;
mod variables;

pub(crate) use environment::Surroundings;
pub(crate) use precedence::{GivenFlag, Loaded, NO_DOTENV, load};
#[cfg(test)]
use reference::reference;
pub(crate) use settings::{Login, Settings};

#[cfg(test)]
mod tests;
