//! `~/.ssh/config`, as far as it matters for running commands.
//!
//! As in OpenSSH, the first value of a key wins. Files are read anew for each host, so that `Include` in a block
//! counts only where the block does. What a file requests and MER cannot do is returned as warnings.

mod keywords;
mod line;
mod pattern;
mod read_files;
mod set;
mod settings;
mod values;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub(super) use pattern::{matches_glob, matches_pattern};
pub(super) use read_files::{ConfigOwner, Files, settings_for};
pub(super) use settings::{Algorithms, Proxy, Settings, StrictHostKeyChecking};
