//! `~/.ssh/config`, as far as it matters to a program that runs commands.
//!
//! The first value of a key wins, as in OpenSSH, and files are read anew for each host, so that `Include` inside a block
//! counts only where the block does. What a file asks for and MER cannot do comes back as warnings.

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
pub(super) use read_files::{Files, Owner, settings_for};
pub(super) use settings::{Algorithms, Proxy, Settings, Strict};
