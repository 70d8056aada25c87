//! The line editor, on its own thread: it blocks, and signals must be received meanwhile.

use std::{
    io,
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
};

use mer_service::spawn_thread;
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
    history::{History, MAX_ENTRIES},
    input_event::{InputEvent, InputEvents},
    mode::SharedMode,
    split::missing,
};
use crate::errors::CliError;

/// Starts the thread of the line editor. It answers each prompt that is sent to it with one event. The terminal is in raw
/// mode only while a line is read.
pub(super) fn start(
    history: Option<PathBuf>,
    names: Box<dyn Names>,
    mode: SharedMode,
    edited: EditedLine,
) -> Result<(Sender<String>, InputEvents), CliError> {
    let (prompt_sender, prompts) = channel();
    let (events, input) = mpsc::channel(1);
    spawn_thread("repl", move || match LineEditor::new(history, names, mode, edited) {
        Ok(editor) => editor.serve(&prompts, &events),
        Err(error) => drop(events.blocking_send(InputEvent::Failed(error))),
    })
    .map_err(|source| CliError::io("cannot start a thread for the terminal", source))?;
    Ok((prompt_sender, input))
}

/// The line editor and its history.
struct LineEditor {
    editor: Editor<LineHelper, MemHistory>,
    mode: SharedMode,
    edited: EditedLine,
    history: Option<History>,
}

impl LineEditor {
    fn new(
        history: Option<PathBuf>,
        names: Box<dyn Names>,
        mode: SharedMode,
        edited: EditedLine,
    ) -> Result<Self, CliError> {
        let failed = |source| CliError::io("cannot use the terminal", source);
        let config = Config::builder().completion_type(CompletionType::List).build();
        let mut editor = Editor::with_history(config, MemHistory::new()).map_err(failed)?;
        editor.set_max_history_size(MAX_ENTRIES).map_err(failed)?;
        // A line that begins with a blank is not stored, as in shells.
        editor.set_history_ignore_space(true);
        editor.set_helper(Some(LineHelper::new(names, mode.clone(), edited.clone())));
        let history = history.and_then(|path| match History::open(&path) {
            Ok((history, entries)) => {
                for entry in entries {
                    let _ = editor.add_history_entry(entry);
                }
                Some(history)
            }
            // The REPL works without a history too.
            Err(error) => {
                tracing::warn!("the history `{}` is not kept: {error}", path.display());
                None
            }
        });
        Ok(Self { editor, mode, edited, history })
    }

    fn serve(mut self, prompts: &Receiver<String>, events: &mpsc::Sender<InputEvent>) {
        while let Ok(prompt) = prompts.recv() {
            if events.blocking_send(self.read(&prompt)).is_err() {
                return;
            }
        }
    }

    /// Reads an entry. While a quote is open in it, the prompt of each further line shows the quote.
    fn read(&mut self, prompt: &str) -> InputEvent {
        let mut entry = match self.line(prompt) {
            Ok(line) => line,
            Err(event) => return event,
        };
        while let Some(mark) = missing(&self.mode.get(), &entry) {
            // As wide as the first prompt, so that lines are aligned.
            let width = prompt.chars().count().saturating_sub(2);
            match self.line(&format!("{mark:>width$}> ")) {
                Ok(line) => {
                    entry.push('\n');
                    entry.push_str(&line);
                }
                Err(InputEvent::End) => {
                    tracing::warn!("the entry ended before its `{mark}` was closed, and is dropped");
                    return InputEvent::Cleared;
                }
                Err(event) => return event,
            }
        }
        self.store(&entry);
        InputEvent::Entry(entry)
    }

    /// Reads a line; the error is the event to report instead.
    fn line(&mut self, prompt: &str) -> Result<String, InputEvent> {
        self.edited.begin(prompt);
        Err(match self.editor.readline(prompt) {
            Ok(line) => return Ok(line),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(Signal::Interrupt | Signal::Resize)) => {
                InputEvent::Cleared
            }
            Err(ReadlineError::Eof) => InputEvent::End,
            Err(ReadlineError::Io(error)) if is_hangup(error.raw_os_error()) => InputEvent::Hangup,
            Err(ReadlineError::Errno(errno)) if is_hangup(Some(errno as i32)) => InputEvent::Hangup,
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                // The rest of the line must not be read as a line by itself.
                let _ = rustix::termios::tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
                tracing::warn!("a byte is not UTF-8: the line is dropped");
                InputEvent::Cleared
            }
            Err(source) => InputEvent::Failed(CliError::io("cannot read from the terminal", source)),
        })
    }

    fn store(&mut self, entry: &str) {
        if !History::may_store(entry) {
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
