//! `mer completions SHELL`.

use crate::{
    cli::{CompletionsArgs, command},
    errors::CliError,
    ui::Ui,
};

/// Prints a completion script.
pub(crate) fn completions(args: &CompletionsArgs, ui: Ui) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "mer", &mut script);
    ui.data(&script)
}
