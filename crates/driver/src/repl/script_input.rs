//! The lines of a script. Signals are received while standard input has none.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    os::fd::BorrowedFd,
};

use mer_service::spawn_thread;
use tokio::sync::mpsc;

use super::{
    input_event::{InputEvent, InputEvents},
    piped_lines::PipedLines,
};
use crate::errors::CliError;

/// Number of portions that are read ahead, so that no command waits for reading.
const AHEAD: usize = 2;
/// Maximum number of lines in a portion: waking a thread costs more than reading a line.
const PORTION: usize = 64;

/// Reads the lines of a script.
#[derive(Debug)]
pub(super) enum ScriptInput {
    /// Read by the runtime itself.
    Piped(PipedLines),
    /// Read by a thread, because reading may block.
    OnThread(InputEvents),
}

impl ScriptInput {
    /// Reads a descriptor without a thread, if that is possible. Must be called within a runtime.
    pub(super) fn piped(fd: BorrowedFd<'_>) -> Option<Self> {
        PipedLines::of(fd).map(Self::Piped)
    }

    /// Reads on a thread.
    ///
    /// # Errors
    /// It cannot be started (75).
    pub(super) fn on_thread<R: Read>(open: impl FnOnce() -> R + Send + 'static) -> Result<Self, CliError> {
        start(open).map(Self::OnThread)
    }

    /// Waits for the next lines. Returns none at the end. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<InputEvent> {
        match self {
            Self::Piped(lines) => match lines.next().await {
                Ok(lines) => lines.map(InputEvent::Lines),
                Err(source) => Some(InputEvent::Failed(unreadable(source))),
            },
            Self::OnThread(events) => events.recv().await,
        }
    }
}

/// Starts the thread that reads.
fn start<R, F>(open: F) -> Result<InputEvents, CliError>
where
    R: Read,
    F: FnOnce() -> R + Send + 'static,
{
    let (events, input_events) = mpsc::channel(AHEAD);
    spawn_thread("script", move || {
        let mut input = BufReader::new(open());
        loop {
            let mut lines = VecDeque::new();
            let outcome = loop {
                let mut line: Vec<u8> = Vec::new();
                match input.read_until(b'\n', &mut line) {
                    Ok(0) => break Ok(false),
                    Ok(_) => lines.push_back(line),
                    Err(source) => break Err(unreadable(source)),
                }
                // Reads only what is buffered: the other side may wait for the answer to this line.
                if lines.len() >= PORTION || !input.buffer().contains(&b'\n') {
                    break Ok(true);
                }
            };
            if !lines.is_empty() && events.blocking_send(InputEvent::Lines(lines)).is_err() {
                return;
            }
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let _ = events.blocking_send(InputEvent::Failed(error));
                    return;
                }
            }
        }
    })
    .map_err(|source| CliError::io("cannot start a thread for the script", source))?;
    Ok(input_events)
}

fn unreadable(source: io::Error) -> CliError {
    CliError::io("cannot read commands from standard input", source)
}
