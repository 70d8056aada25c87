//! The line editor, on a thread of its own: it blocks, and signals must be heard meanwhile.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
};

use rustix::termios::QueueSelector;
use rustyline::{
    CompletionType, Config, Editor,
    config::Configurer,
    error::{ReadlineError, Signal},
    history::MemHistory,
};
use tokio::sync::mpsc;

use super::{
    completion::Names,
    edited_line::EditedLine,
    helper::LineHelper,
    history::{History, REMEMBERED},
    input_event::{Said, Saying},
    session::current,
    split::{Mode, missing},
};
use mer_service::spawn_thread;

use crate::errors::CliError;

/// Starts the reader. Each prompt that is sent to it is answered by one thing said; meanwhile the terminal is raw, at all
/// other times it is as it was.
pub(super) fn start(
    history: Option<PathBuf>,
    names: Box<dyn Names>,
    mode: Arc<Mutex<Mode>>,
    edited: EditedLine,
) -> Result<(Sender<String>, Saying), CliError> {
    let (ask, asked) = channel();
    let (say, said) = mpsc::channel(1);
    spawn_thread("repl", move || match Reader::new(history, names, mode, edited) {
        Ok(reader) => reader.serve(&asked, &say),
        Err(error) => drop(say.blocking_send(Said::Failed(error))),
    })
    .map_err(|source| CliError::io("cannot start a thread for the terminal", source))?;
    Ok((ask, said))
}

/// The line editor and its history.
struct Reader {
    editor: Editor<LineHelper, MemHistory>,
    mode: Arc<Mutex<Mode>>,
    edited: EditedLine,
    history: Option<History>,
}

impl Reader {
    fn new(
        history: Option<PathBuf>,
        names: Box<dyn Names>,
        mode: Arc<Mutex<Mode>>,
        edited: EditedLine,
    ) -> Result<Self, CliError> {
        let failed = |source| CliError::io("cannot use the terminal", source);
        let config = Config::builder().completion_type(CompletionType::List).build();
        let mut editor = Editor::with_history(config, MemHistory::new()).map_err(failed)?;
        editor.set_max_history_size(REMEMBERED).map_err(failed)?;
        // A line that begins with a blank is a secret: shells do the same.
        editor.set_history_ignore_space(true);
        editor.set_helper(Some(LineHelper::new(names, Arc::clone(&mode), edited.clone())));
        let history = history.and_then(|path| match History::open(&path) {
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
        Ok(Self { editor, mode, edited, history })
    }

    fn serve(mut self, asked: &Receiver<String>, say: &mpsc::Sender<Said>) {
        while let Ok(prompt) = asked.recv() {
            if say.blocking_send(self.read(&prompt)).is_err() {
                return;
            }
        }
    }

    /// Reads an entry. While a quote is open in it, each further line has a prompt that shows the quote.
    fn read(&mut self, prompt: &str) -> Said {
        let mut entry = match self.line(prompt) {
            Ok(line) => line,
            Err(said) => return said,
        };
        while let Some(mark) = missing(&current(&self.mode), &entry) {
            // As wide as the prompt above it, so that lines stand below each other.
            let width = prompt.chars().count().saturating_sub(2);
            match self.line(&format!("{mark:>width$}> ")) {
                Ok(line) => {
                    entry.push('\n');
                    entry.push_str(&line);
                }
                Err(Said::End) => {
                    tracing::warn!("the entry ended before its `{mark}` was closed, and is dropped");
                    return Said::Cleared;
                }
                Err(said) => return said,
            }
        }
        self.remember(&entry);
        Said::Entry(entry)
    }

    /// Reads a line, or says why there is none.
    fn line(&mut self, prompt: &str) -> Result<String, Said> {
        self.edited.begin(prompt);
        Err(match self.editor.readline(prompt) {
            Ok(line) => return Ok(line),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(Signal::Interrupt | Signal::Resize)) => {
                Said::Cleared
            }
            Err(ReadlineError::Eof) => Said::End,
            Err(ReadlineError::Io(error)) if is_hangup(error.raw_os_error()) => Said::Hangup,
            Err(ReadlineError::Errno(errno)) if is_hangup(Some(errno as i32)) => Said::Hangup,
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                // What was typed or pasted behind it must not be taken for a line of its own.
                let _ = rustix::termios::tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
                tracing::warn!("a byte came that is not UTF-8: this line is not taken");
                Said::Cleared
            }
            Err(source) => Said::Failed(CliError::io("cannot read from the terminal", source)),
        })
    }

    fn remember(&mut self, entry: &str) {
        if !History::may_keep(entry) {
            return;
        }
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
