//! Asking a person.

use std::io::{self, IsTerminal as _};

use super::App;
use crate::{error::CliError, ui::Ui};

impl App {
    /// Asks a question that is answered with yes or no; anything but a yes is a no.
    ///
    /// # Errors
    /// There is nobody to ask (64).
    pub(crate) async fn confirm(&self, question: &str, ui: Ui) -> Result<bool, CliError> {
        if self.settings.no_input || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(CliError::usage("this asks before it goes on, and here is nobody to ask")
                .hint("`--yes` says yes beforehand"));
        }
        ui.question(question);
        // A thread of its own: a signal must be able to end the command meanwhile.
        let read = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = read.await.map_err(|error| CliError::io("cannot read the answer", error))?;
        let answer = answer.map_err(|error| CliError::io("cannot read the answer", error))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}
