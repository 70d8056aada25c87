//! What rustyline asks while a person types.

use std::sync::{Arc, Mutex};

use clap::Command;
use rustyline::{
    Context, Helper, Highlighter, Hinter,
    completion::{Completer, FilenameCompleter, Pair},
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{
    complete::{Names, Offer, complete},
    entry::{Mode, units},
    session::current,
};

/// Completion and the question whether an entry is whole.
#[derive(Helper, Highlighter, Hinter)]
pub(super) struct LineHelper {
    grammar: Command,
    names: Box<dyn Names>,
    mode: Arc<Mutex<Mode>>,
    files: FilenameCompleter,
}

impl LineHelper {
    pub(super) fn new(names: Box<dyn Names>, mode: Arc<Mutex<Mode>>) -> Self {
        let mut grammar = crate::cli::command();
        grammar.build();
        Self { grammar, names, mode, files: FilenameCompleter::new() }
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

impl Validator for LineHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let (_, whole) = units(&current(&self.mode), context.input());
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
