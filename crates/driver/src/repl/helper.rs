//! The callbacks of rustyline: completion, and notes of the line for drawing it again.

use clap::Command;
use rustyline::{
    Context, Helper, Validator,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::{CmdKind, Highlighter},
    hint::Hinter,
};

use super::{
    completion::{Completion, Names, complete},
    edited_line::EditedLine,
    mode::{Mode, SharedMode},
};

/// The helper of the line editor. It accepts every line; the line editor asks for more while a quote is open.
#[derive(Helper, Validator)]
pub(super) struct LineHelper {
    grammar: Command,
    names: Box<dyn Names>,
    mode: SharedMode,
    files: FilenameCompleter,
    edited: EditedLine,
}

impl LineHelper {
    pub(super) fn new(names: Box<dyn Names>, mode: SharedMode, edited: EditedLine) -> Self {
        let mut grammar = crate::cli::command();
        grammar.build();
        Self { grammar, names, mode, files: FilenameCompleter::new(), edited }
    }
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..pos).unwrap_or(line);
        // In an entry of several lines only the one with the cursor is completed.
        let from = line.rfind('\n').map_or(0, |at| at + 1);
        let current = &line[from..];
        if self.mode.get() != Mode::Commands && !current.starts_with('/') {
            return Ok((pos, Vec::new()));
        }
        match complete(&self.grammar, self.names.as_ref(), current) {
            Completion::File(_) => self.files.complete_path(line, pos),
            Completion::Words(start, words) => {
                let pair = |word: String| Pair { replacement: format!("{word} "), display: word };
                Ok((from + start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

/// Gives no hints. Called after each change, so it notes the line.
impl Hinter for LineHelper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        self.edited.set(line, pos);
        None
    }
}

/// Gives no colours. Called after each move of the cursor, so it notes the cursor.
impl Highlighter for LineHelper {
    fn highlight_char(&self, line: &str, pos: usize, _: CmdKind) -> bool {
        self.edited.set(line, pos);
        false
    }
}
