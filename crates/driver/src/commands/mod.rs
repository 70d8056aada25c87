//! The commands, one file each.

mod completions;
mod config_show;
mod version;

pub(crate) use completions::completions;
pub(crate) use config_show::config_show;
pub(crate) use version::version;
