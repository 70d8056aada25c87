//! The REPL at a terminal.

use rustyline::{
    CompletionType, Config, Editor,
    config::Configurer,
    error::{ReadlineError, Signal},
    history::MemHistory,
};

use super::{
    Options,
    entry::{Mode, units},
    helper::LineHelper,
    history::{History, REMEMBERED},
    session::{Dispatch, Next, Session},
};
use crate::{
    error::{CliError, Kind},
    ui::Ui,
};

/// Talks to a person until they leave.
///
/// # Errors
/// The terminal cannot be read.
pub(super) fn run(dispatch: &mut dyn Dispatch, options: Options, ui: Ui) -> Result<u8, CliError> {
    let mut session = Session::new(dispatch, ui);
    let mode = session.mode();
    let mut reader = Reader::new(options.history.as_deref())?;
    reader.editor.set_helper(Some(LineHelper::new(options.names, session.mode())));
    if !options.banner.is_empty() {
        ui.note(&options.banner);
    }
    loop {
        let prompt = match &*mode.borrow() {
            Mode::Commands => "mer> ".to_owned(),
            Mode::Model(model) => format!("{model}> "),
        };
        let entry = match reader.read(&prompt)? {
            Read::Entry(entry) => entry,
            Read::Again => continue,
            Read::End => return Ok(0),
            Read::Hangup => return Ok(Kind::Hangup.code()),
        };
        // What was pasted may be several commands, and the first may change what the rest means.
        let mut rest = entry.as_str();
        loop {
            let (unit, after) = {
                let (found, _) = units(&mode.borrow(), rest);
                let first = found.first().copied().unwrap_or_default();
                (first, rest.get(first.len() + 1..))
            };
            match session.unit(unit) {
                Next::Leave => return Ok(0),
                Next::Line(code) if code == Kind::ReaderGone.code() => return Ok(code),
                Next::Line(_) => {}
            }
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
}

enum Read {
    Entry(String),
    /// Ctrl-C: the line is cleared.
    Again,
    /// Ctrl-D.
    End,
    /// The terminal is gone.
    Hangup,
}

/// The line editor and its history.
struct Reader {
    editor: Editor<LineHelper, MemHistory>,
    history: Option<History>,
}

impl Reader {
    fn new(history: Option<&std::path::Path>) -> Result<Self, CliError> {
        let failed = |source| CliError::io("cannot use the terminal", source);
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(REMEMBERED)
            .map_err(failed)?
            .build();
        let mut editor = Editor::with_history(config, MemHistory::new()).map_err(failed)?;
        // The history's own limits are not taken from the editor's settings.
        editor.set_max_history_size(REMEMBERED).map_err(failed)?;
        editor.set_history_ignore_space(true);
        let history = history.and_then(|path| match History::open(path) {
            Ok((history, entries)) => {
                for entry in entries {
                    let _ = editor.add_history_entry(entry);
                }
                Some(history)
            }
            // A REPL without a history is better than none.
            Err(error) => {
                tracing::warn!("the history `{}` is not kept: {error}", path.display());
                None
            }
        });
        Ok(Self { editor, history })
    }

    fn read(&mut self, prompt: &str) -> Result<Read, CliError> {
        match self.editor.readline(prompt) {
            Ok(entry) => {
                self.remember(&entry);
                Ok(Read::Entry(entry))
            }
            Err(ReadlineError::Interrupted | ReadlineError::Signal(Signal::Interrupt | Signal::Resize)) => {
                Ok(Read::Again)
            }
            Err(ReadlineError::Eof) => Ok(Read::End),
            Err(ReadlineError::Io(error)) if is_hangup(error.raw_os_error()) => Ok(Read::Hangup),
            Err(ReadlineError::Errno(errno)) if is_hangup(Some(errno as i32)) => Ok(Read::Hangup),
            Err(source) => Err(CliError::io("cannot read from the terminal", source)),
        }
    }

    fn remember(&mut self, entry: &str) {
        let is_new = self.editor.add_history_entry(entry).unwrap_or(false);
        if is_new
            && let Some(history) = &mut self.history
            && let Err(error) = history.append(entry)
        {
            tracing::warn!("the history is not kept: {error}");
            self.history = None;
        }
    }
}

fn is_hangup(errno: Option<i32>) -> bool {
    errno == Some(rustix::io::Errno::IO.raw_os_error())
}
