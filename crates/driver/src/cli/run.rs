//! `mer run`.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use mer_core::{Bound, Selector};

use super::{Input, normalise};
use crate::error::{CliError, Kind};

/// Arguments of `mer run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// The model's name; MODEL:3 or MODEL@alias for other weights than the current ones
    #[arg(value_name = "MODEL", value_parser = normalise::text())]
    pub(crate) model: String,

    /// What it is given: the word itself and a newline, @FILE, or - for standard input
    ///
    /// A word is sent with one newline after it; `@FILE` and `-` are sent byte for byte; `@@x` is a literal `@x`. A word
    /// that begins with `-` and a digit is an input, not a flag; any other such word comes after `--`. Without INPUT,
    /// standard input is read where it is no terminal; with INPUT, it is never touched.
    #[arg(value_name = "INPUT|@FILE|-", value_parser = normalise::word())]
    input: Option<OsString>,

    /// Run on this server, and on no other
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,

    /// How long it may take, such as 30s, 10m or none
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,

    /// End with the model's own exit code, or 128 and its signal
    #[arg(long)]
    pub(crate) passthrough: bool,

    /// Write the model's output to this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Leave the hashes of input and output out of the log, for speed
    #[arg(long)]
    pub(crate) no_hash: bool,
}

/// A model and its weights, as they are named on a line.
///
/// # Errors
/// It names no version and no alias (64).
pub(crate) fn selector(text: &str) -> Result<Selector, CliError> {
    // Whatever else it is, that there is no such model says more.
    if !text.contains([':', '@']) {
        return Ok(Selector::current(text));
    }
    text.parse().map_err(|error| CliError::of(Kind::Usage, error))
}

impl RunArgs {
    /// What the model is to be given.
    ///
    /// # Errors
    /// `@` alone names no file.
    pub(crate) fn input(&self) -> Result<Input, CliError> {
        Input::from_word(self.input.as_deref().map(OsStr::new))
    }

    /// A run of this model with this input and no flags: what a plain line means after `use MODEL`. The text is sent as
    /// it is: neither `@` nor `-` means anything in it.
    pub(crate) fn plain(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            input: None,
            server: None,
            timeout: None,
            passthrough: false,
            output: None,
            no_hash: false,
        }
    }
}
