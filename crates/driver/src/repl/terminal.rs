//! The terminal's mode, for whoever must end `mer` while the line editor has it in raw mode.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::ui;

/// The mode that the terminal had when the REPL started.
#[derive(Debug, Clone)]
pub(super) struct SavedTerminal(Termios);

impl SavedTerminal {
    /// Remembers the mode of standard input; none where that is no terminal.
    pub(super) fn save() -> Option<Self> {
        tcgetattr(rustix::stdio::stdin()).ok().map(Self)
    }

    /// Gives it back, with the bracketed paste that the editor had switched on off. A failure is dropped: then the
    /// terminal is gone.
    pub(super) fn restore(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
        ui::emergency("\x1b[?2004l\n");
    }
}
