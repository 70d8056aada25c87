//! Arguments that `mer run` and `mer train` share: the model, its weights, the input, and how to run it.

use std::ffi::{OsStr, OsString};

use clap::Args;
use mer_core::{Bound, FailureKind, Selector, Tags};

use super::{Input, normalise, request_values};
use crate::errors::CliError;

/// A request to a model.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArgs {
    /// The model's name; MODEL:3 or MODEL@alias for other weights than the current ones
    #[arg(value_name = "MODEL", value_parser = normalise::string())]
    pub(crate) model: String,

    /// The input: the word itself and a newline, @FILE, or - for standard input
    ///
    /// A word is sent with one newline after it; `@FILE` and `-` are sent byte for byte; `@@x` is a literal `@x`. A word
    /// that begins with `-` and a digit is an input, not a flag; any other such word comes after `--`. Without INPUT,
    /// standard input is read where it is no terminal; with INPUT, it is never touched.
    #[arg(value_name = "INPUT|@FILE|-", value_parser = normalise::os_string())]
    input: Option<OsString>,

    /// Run on this server only
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,

    /// Maximum duration, such as 30s, 10m, 1d or none
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,

    /// Leave the hashes of input and output out of the log, for speed
    #[arg(long)]
    pub(crate) no_hash: bool,

    /// A label for the log; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = request_values::tag())]
    tags: Vec<String>,

    /// Place among waiting requests, from -10 to 10; a greater number is served earlier
    #[arg(long, value_name = "NUMBER", default_value = "0", hide_default_value = true, value_parser = request_values::priority())]
    pub(crate) priority: i8,
}

/// Parses a model's name with an optional version or alias.
///
/// # Errors
/// Behind `:` or `@` there is no version and no alias (64).
pub(crate) fn selector(text: &str) -> Result<Selector, CliError> {
    // Any other name is accepted: the error that there is no such model says more.
    if !text.contains([':', '@']) {
        return Ok(Selector::current(text));
    }
    text.parse().map_err(|error| CliError::of(FailureKind::Usage, error))
}

impl RequestArgs {
    /// Returns the input of the request.
    ///
    /// # Errors
    /// `@` alone names no file.
    pub(crate) fn input(&self) -> Result<Input, CliError> {
        Input::from_word(self.input.as_deref().map(OsStr::new))
    }

    /// Returns the labels for the log.
    ///
    /// # Errors
    /// There are more of them than are kept (64).
    pub(crate) fn tags(&self) -> Result<Tags, CliError> {
        Tags::parse(self.tags.iter().map(String::as_str)).map_err(|error| CliError::of(FailureKind::Usage, error))
    }

    /// Requests this model without an input and without flags.
    pub(super) fn plain(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            input: None,
            server: None,
            timeout: None,
            no_hash: false,
            tags: Vec::new(),
            priority: 0,
        }
    }
}
