//! Chooses between the REPL at a terminal and a script.

use std::io::IsTerminal;

use super::{dispatch::Dispatch, interactive, options::Options, script, script_input::ScriptInput};
use crate::{
    errors::CliError,
    ui::{Ui, stdin_is_terminal},
};

/// Whether both standard input and output are a terminal: only then is there a prompt.
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
        #[expect(clippy::disallowed_methods, reason = "it is read on its own thread")]
        let open = || std::io::stdin().lock();
        let input = ScriptInput::piped(rustix::stdio::stdin()).map_or_else(|| ScriptInput::on_thread(open), Ok)?;
        script::run(dispatch, input, ui).await
    }
}
