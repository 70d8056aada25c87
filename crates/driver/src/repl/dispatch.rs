//! The interface between the REPL and what runs its commands.

use crate::{cli::Cli, errors::CliError, signal::Signal};

/// Runs the commands of a REPL or script. A command reports its own failure and returns its exit code. SIGINT during a
/// command cancels it, a second one at once.
pub(crate) trait Dispatch {
    /// Runs a command: every verb but `use`, `quit` and `repl`.
    async fn run(&mut self, cli: Cli) -> u8;

    /// Sends a model one input with a newline after it, and streams its answer.
    async fn input(&mut self, model: &str, text: &str) -> u8;

    /// Checks for `use` that the model exists.
    ///
    /// # Errors
    /// There is none, or the registry cannot be read.
    async fn check_model(&mut self, name: &str) -> Result<(), CliError>;

    /// Waits for a signal while no command runs. May be dropped and called again.
    async fn signal(&mut self) -> Signal;

    /// Returns the signal that came during the last command, if any: SIGTERM and SIGHUP end the REPL too.
    fn ended_by(&self) -> Option<Signal>;
}
