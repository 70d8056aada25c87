//! Migrations: the SQL scripts compiled into the binary, and the program that applies them.
//!
//! [`Scripts`] are the scripts of the binary, and optionally a folder with an organisation's own. [`plan`] compares
//! them with those that a database has, and touches nothing. [`up`] applies the missing ones in numeric order, each
//! script and its row in `Migrations` in one transaction. [`ensure_current`] is what every command calls first: one
//! query if the database is current.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod error;
mod folder;
mod plan;
#[cfg_attr(not(test), expect(dead_code, reason = "the build script uses all of it"))]
mod rules;
mod runner;
mod scripts;
#[cfg(test)]
mod tests;

pub use error::MigrationError;
pub use plan::{Plan, Step, StepStatus, plan};
pub use runner::{Policy, Report, baseline, ensure_current, repair, status, status_of, up, up_telling, up_to};
pub use scripts::{Script, Scripts, embedded};
