//! Errors of a command: message, causes, hints and exit code.
//!
//! Libraries say which kind a failure is of ([`mer_core::FailureKind`]). Here alone a kind becomes an exit code, and an error a
//! hint that names a flag or a command.

mod cli_error;
mod exit_code;
mod finish;
mod from_batch;
mod from_layers;
mod from_service;
mod hints;
mod slurm_hints;
mod ssh_hints;
mod system_hints;
#[cfg(test)]
mod tests;

pub(crate) use cli_error::{CliError, did_you_mean};
pub(crate) use exit_code::ExitCode;
pub(crate) use finish::finish;
pub(crate) use hints::outcome_hint;
pub(crate) use slurm_hints::slurm_hint;
pub(crate) use ssh_hints::ssh_hint;
pub(crate) use system_hints::shortage_hint;
