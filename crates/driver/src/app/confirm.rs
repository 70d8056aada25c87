//! Questions before something is changed.

use super::App;
use crate::{errors::CliError, ui::Ui};

impl App {
    /// Asks a question, and returns whether the answer is yes.
    ///
    /// # Errors
    /// There is no terminal to ask on (64).
    pub(crate) async fn confirm(&self, question: &str, ui: Ui) -> Result<bool, CliError> {
        if self.settings.no_input || !ui.can_ask() {
            return Err(CliError::usage("this asks before it goes on, and here is nobody to ask")
                .hint("`--yes` says yes beforehand"));
        }
        ui.confirm(question).await
    }
}
