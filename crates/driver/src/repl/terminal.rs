//! The terminal around the line editor: a fresh line before each prompt, and the mode to restore when `mer` ends or continues
//! while the line editor has the terminal in raw mode.

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

/// Columns to assume if the terminal does not report them.
const DEFAULT_COLUMNS: u16 = 80;

/// Moves to the start of a line. If an answer ended without a newline, a mark is left behind it. This needs no cursor
/// position: mark and blanks fill exactly one row, so they wrap only if the cursor was not in the first column; otherwise the
/// prompt is drawn over the mark.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn fresh_line(ui: Ui) -> Result<(), CliError> {
    let columns = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| size.ws_col);
    let columns = usize::from(if columns == 0 { DEFAULT_COLUMNS } else { columns });
    let (on, off) = if ui.colour_out() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    ui.data(format!("{on}\u{23ce}{off}{:blanks$}\r\x1b[K", "", blanks = columns - 1).as_bytes())
}

/// The mode that the terminal had when the REPL started.
#[derive(Debug, Clone)]
pub(super) struct SavedTerminal(Termios);

impl SavedTerminal {
    /// Reads the mode of standard input; `None` if that is no terminal.
    pub(super) fn save() -> Option<Self> {
        tcgetattr(rustix::stdio::stdin()).ok().map(Self)
    }

    /// Sets the line editor's mode again, which a shell has replaced while this process was stopped, and redraws the line. Does
    /// nothing in the background.
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
        ui::write_stderr(&format!("\x1b[?2004h{}", edited.render()));
    }

    /// Restores the mode, and switches off the bracketed paste that the line editor had switched on. A failure is dropped: the
    /// terminal has gone then.
    pub(super) fn restore(&self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
        ui::write_stderr("\x1b[?2004l\n");
    }
}
