//! What rustyline asks while a person types.

use std::sync::{Arc, Mutex};

use clap::Command;
use rustyline::{
    Context, Helper, Validator,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::{CmdKind, Highlighter},
    hint::Hinter,
};

use super::{
    completion::{Names, Offer, complete},
    edited_line::EditedLine,
    session::current,
    split::Mode,
};

/// Completion. Every line is taken as it is: the reader asks for more where a quote is open.
#[derive(Helper, Validator)]
pub(super) struct LineHelper {
    grammar: Command,
    names: Box<dyn Names>,
    mode: Arc<Mutex<Mode>>,
    files: FilenameCompleter,
    edited: EditedLine,
}

impl LineHelper {
    pub(super) fn new(names: Box<dyn Names>, mode: Arc<Mutex<Mode>>, edited: EditedLine) -> Self {
        let mut grammar = crate::cli::command();
        grammar.build();
        Self { grammar, names, mode, files: FilenameCompleter::new(), edited }
    }
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..pos).unwrap_or(line);
        // Only the line that the cursor is in counts; what is above it is over.
        let from = line.rfind('\n').map_or(0, |at| at + 1);
        let typed = &line[from..];
        if current(&self.mode) != Mode::Commands && !typed.starts_with('/') {
            return Ok((pos, Vec::new()));
        }
        match complete(&self.grammar, self.names.as_ref(), typed) {
            Offer::File(_) => self.files.complete_path(line, pos),
            Offer::Words(start, words) => {
                let pair = |word: String| Pair { replacement: format!("{word} "), display: word };
                Ok((from + start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

/// No hints: it is asked after each change, and takes note of the line.
impl Hinter for LineHelper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        self.edited.set(line, pos);
        None
    }
}

/// No colours: it is asked after each move of the cursor, and takes note of it.
impl Highlighter for LineHelper {
    fn highlight_char(&self, line: &str, pos: usize, _: CmdKind) -> bool {
        self.edited.set(line, pos);
        false
    }
}
