//! The terminal's mode, for whoever must end `mer` while the line editor has it in raw mode.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The mode that the terminal had when `mer` started.
#[derive(Debug, Clone)]
pub(crate) struct SavedTerminal(Termios);

impl SavedTerminal {
    /// Remembers the mode of standard input; none where that is no terminal.
    pub(crate) fn save() -> Option<Self> {
        tcgetattr(rustix::stdio::stdin()).ok().map(Self)
    }

    /// Gives it back. A failure is dropped: then the terminal is gone.
    pub(crate) fn restore(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}
