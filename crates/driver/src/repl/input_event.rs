//! Events from the thread that reads lines to the REPL loop.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::dispatch::Dispatch;
use crate::{errors::CliError, signal::Signal};

/// One event of the thread that reads.
#[derive(Debug)]
pub(super) enum InputEvent {
    /// An entry at the terminal, of one line or several, without the end of the last line.
    Entry(String),
    /// Lines of a script, each with its end.
    Lines(VecDeque<Vec<u8>>),
    /// Ctrl-C at the prompt.
    Cleared,
    /// Ctrl-D, or the end of the script.
    End,
    /// The terminal has gone.
    Hangup,
    /// Reading failed.
    Failed(CliError),
}

/// The receiving end of the events.
pub(super) type InputEvents = mpsc::Receiver<InputEvent>;

/// An event for the REPL loop.
#[derive(Debug)]
pub(super) enum Event {
    /// Input; `None` if there is no more.
    Input(Option<InputEvent>),
    /// A signal.
    Signal(Signal),
}

/// Waits for input or a signal. Input that is there already comes before a signal.
pub(super) async fn next_event(dispatch: &mut impl Dispatch, input: impl Future<Output = Option<InputEvent>>) -> Event {
    tokio::select! {
        biased;
        input = input => Event::Input(input),
        signal = dispatch.signal() => Event::Signal(signal),
    }
}
