//! Failures as a person is told of them: message, causes, hints and the exit code.

mod cli_error;
mod from_layers;
mod from_service;

pub(crate) use cli_error::{CliError, Kind, did_you_mean, similar_names};
