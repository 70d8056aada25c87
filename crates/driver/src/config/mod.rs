//! Settings: defaults, `/etc/mer/mer.toml`, `$XDG_CONFIG_HOME/mer/mer.toml`, `./mer.toml`, `./.env`, the environment,
//! flags; each layer over the one before. Every setting stands in one table ([`SETTINGS`]), from which reading, checking,
//! `mer config show` and the reference are made.

mod dotenv;
mod environment;
mod file;
mod load;
mod origin;
#[cfg(test)]
mod reference;
mod schema;
mod secret;
mod settings;
mod show;
mod source;
mod value;
mod variables;

pub(crate) use environment::Surroundings;
pub(crate) use load::{GivenFlag, Loaded, NO_DOTENV, load};
#[cfg(test)]
use reference::reference;
pub(crate) use settings::{Login, Settings};

#[cfg(test)]
mod tests;
