//! Asking a person.

use super::App;
use crate::{errors::CliError, ui::Ui};

impl App {
    /// Asks a question that is answered with yes or no; anything but a yes is a no.
    ///
    /// # Errors
    /// There is nobody to ask (64).
    pub(crate) async fn confirm(&self, question: &str, ui: Ui) -> Result<bool, CliError> {
        if self.settings.no_input || !ui.can_ask() {
            return Err(CliError::usage("this asks before it goes on, and here is nobody to ask")
                .hint("`--yes` says yes beforehand"));
        }
        ui.confirm(question).await
    }
}
