//! The terminal's mode, for whoever must end `mer` while the line editor has it in raw mode.

use rustix::{
    process::getpgrp,
    termios::{
        ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
        tcsetattr,
    },
};

use super::edited_line::EditedLine;
use crate::{
    errors::CliError,
    ui::{self, Ui},
};

/// Columns of a terminal that does not tell.
const COLUMNS: u16 = 80;

/// Moves to the start of a line. Where an answer ended without a newline, a mark stands behind it, and stays; elsewhere the mark
/// is drawn over at once. Works wherever the cursor is: the mark and the blanks behind it fill exactly one line's width, so that
/// they wrap only where something stood before them.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn fresh_line(ui: Ui) -> Result<(), CliError> {
    let columns = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| size.ws_col);
    let columns = usize::from(if columns == 0 { COLUMNS } else { columns });
    let (on, off) = if ui.colour_out() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    ui.data(format!("{on}\u{23ce}{off}{:blanks$}\r\x1b[K", "", blanks = columns - 1).as_bytes())
}

/// The mode that the terminal had when the REPL started.
#[derive(Debug, Clone)]
pub(super) struct SavedTerminal(Termios);

impl SavedTerminal {
    /// Remembers the mode of standard input; none where that is no terminal.
    pub(super) fn save() -> Option<Self> {
        tcgetattr(rustix::stdio::stdin()).ok().map(Self)
    }

    /// Brings back the mode of the line editor, which a shell has replaced while this process was stopped, and draws the line
    /// again. Does nothing in the background.
    pub(super) fn resume_editing(&self, edited: &EditedLine) {
        let stdin = rustix::stdio::stdin();
        if tcgetpgrp(stdin).ok() != Some(getpgrp()) {
            return;
        }
        let mut raw = self.0.clone();
        raw.input_modes &=
            !(InputModes::BRKINT | InputModes::ICRNL | InputModes::INPCK | InputModes::ISTRIP | InputModes::IXON);
        raw.control_modes |= ControlModes::CS8;
        raw.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        let _ = tcsetattr(stdin, OptionalActions::Drain, &raw);
        ui::write_stderr(&format!("\x1b[?2004h{}", edited.drawn()));
    }

    /// Gives it back, with the bracketed paste that the editor had switched on off. A failure is dropped: then the
    /// terminal is gone.
    pub(super) fn restore(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
        ui::write_stderr("\x1b[?2004l\n");
    }
}
