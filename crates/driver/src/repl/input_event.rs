//! What comes from whoever types, and how it gets from the thread that reads to the one that acts.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::Dispatch;
use crate::{errors::CliError, signal::Signal};

/// One thing that was said.
#[derive(Debug)]
pub(super) enum Said {
    /// A person's entry, of one line or several, without the last line's end.
    Entry(String),
    /// Lines of a script, each with its end.
    Lines(VecDeque<Vec<u8>>),
    /// Ctrl-C at the prompt.
    Cleared,
    /// Ctrl-D, or the end of the script.
    End,
    /// The terminal is gone.
    Hangup,
    /// Reading failed.
    Failed(CliError),
}

/// What is said arrives here.
pub(super) type Saying = mpsc::Receiver<Said>;

/// What came first.
#[derive(Debug)]
pub(super) enum Heard {
    /// Something was said; nothing, where the reader has ended.
    Said(Option<Said>),
    /// A signal.
    Signal(Signal),
}

/// Waits for what is said next, or for a signal. What was said before a signal comes before it.
pub(super) async fn hear(dispatch: &mut impl Dispatch, said: &mut Saying) -> Heard {
    tokio::select! {
        biased;
        next = said.recv() => Heard::Said(next),
        signal = dispatch.signal() => Heard::Signal(signal),
    }
}
