//! `mer train`.

use std::ffi::{OsStr, OsString};

use clap::Args;
use mer_core::Bound;

use super::{Input, normalise};
use crate::error::CliError;

/// Arguments of `mer train`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrainArgs {
    /// The model's name; MODEL:3 or MODEL@alias to go on from other weights than the current ones
    #[arg(value_name = "MODEL", value_parser = normalise::text())]
    pub(crate) model: String,

    /// What it learns from: the word itself and a newline, @FILE, or - for standard input
    ///
    /// As with `mer run`: without INPUT, standard input is read where it is no terminal; with INPUT, it is never touched.
    #[arg(value_name = "INPUT|@FILE|-", value_parser = normalise::word())]
    input: Option<OsString>,

    /// Train on this server, and on no other
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,

    /// Make the new version the current one
    #[arg(long)]
    pub(crate) promote: bool,

    /// What is to be remembered of it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    /// How long it may take, such as 2h, 1d or none
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,

    /// Leave the hashes of input and output out of the log, for speed
    #[arg(long)]
    pub(crate) no_hash: bool,
}

impl TrainArgs {
    /// What the model is to be given.
    ///
    /// # Errors
    /// `@` alone names no file.
    pub(crate) fn input(&self) -> Result<Input, CliError> {
        Input::from_word(self.input.as_deref().map(OsStr::new))
    }
}
