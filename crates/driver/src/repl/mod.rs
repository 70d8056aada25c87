//! The REPL, and scripts: the same lines, read from a person with a prompt or from standard input without one.
//!
//! Reading blocks, so it has a thread of its own, while [`run`] waits for what is said or for a signal. While a command runs nothing is read and the terminal is in its usual mode: Ctrl-C is SIGINT then, and belongs
//! to [`Dispatch`]; at the prompt it is a key.

mod completion;
mod edited_line;
mod helper;
mod history;
mod input_event;
mod interactive;
mod line_editor;
mod script;
mod session;
mod split;
mod terminal;

use std::{io::IsTerminal, path::PathBuf};

pub(crate) use completion::Names;
pub(crate) use session::{Dispatch, hints_as_lines};
use terminal::SavedTerminal;

use crate::{
    errors::CliError,
    ui::{Ui, stdin_is_terminal},
};

/// What a REPL is started with.
pub(crate) struct Options {
    /// Where the history is kept; none: only as long as the REPL lives.
    pub(crate) history: Option<PathBuf>,
    /// What greets a person.
    pub(crate) banner: String,
    /// Names for completion.
    pub(crate) names: Box<dyn Names + Send>,
}

/// Whether there is a person at both ends: only then is there a prompt.
pub(crate) fn is_interactive() -> bool {
    stdin_is_terminal() && std::io::stdout().is_terminal()
}

/// Reads lines until there are no more, or the person leaves; returns the exit code. A script ends at its first failure,
/// with that failure's code.
///
/// # Errors
/// The terminal or standard input cannot be read.
pub(crate) async fn run(dispatch: &mut impl Dispatch, options: Options, ui: Ui) -> Result<u8, CliError> {
    if is_interactive() {
        interactive::run(dispatch, options, ui).await
    } else {
        #[expect(clippy::disallowed_methods, reason = "it is read on a thread of its own")]
        let open = || std::io::stdin().lock();
        script::run(dispatch, open, ui).await
    }
}

#[cfg(test)]
mod tests;
