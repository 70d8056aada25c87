//! Ctrl-C, SIGTERM and SIGHUP: the first asks politely, the second insists.

use std::{cell::Cell, fmt};

use mer_core::ExitCode;
use mer_meal::Cancel;
use tokio::signal::unix::{self, SignalKind};

use crate::error::{CliError, Kind};

/// A signal that ends what `mer` is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What a supervisor sends.
    Terminate,
    /// The terminal is gone.
    Hangup,
}

impl Signal {
    /// The exit code of a command that it ended.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Interrupt => ExitCode::SIGINT,
            Self::Terminate => ExitCode::SIGTERM,
            Self::Hangup => ExitCode::SIGHUP,
        }
    }

    /// The signal with this exit code.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        [Self::Interrupt, Self::Terminate, Self::Hangup].into_iter().find(|signal| signal.code() == code)
    }

    /// The kind of error of a command that it ended.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Interrupt => Kind::Interrupted,
            Self::Terminate => Kind::Terminated,
            Self::Hangup => Kind::Hangup,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        })
    }
}

/// The signals that `mer` listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    streams: tokio::sync::Mutex<Streams>,
    /// The last one that came.
    last: Cell<Option<Signal>>,
}

#[derive(Debug)]
struct Streams {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// From now on signals are told here, and do not end the process by themselves.
    pub(super) fn listen() -> Result<Self, CliError> {
        let listen = |kind| unix::signal(kind).map_err(|error| CliError::io("cannot listen to signals", error));
        let streams = Streams {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        };
        Ok(Self { streams: tokio::sync::Mutex::new(streams), last: Cell::new(None) })
    }

    /// The next signal.
    pub(crate) async fn next(&self) -> Signal {
        let mut streams = self.streams.lock().await;
        let Streams { interrupt, terminate, hangup } = &mut *streams;
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
            _ = hangup.recv() => Signal::Hangup,
        };
        self.last.set(Some(signal));
        signal
    }

    /// The last signal that came since this was asked before.
    pub(crate) fn take_last(&self) -> Option<Signal> {
        self.last.take()
    }

    /// Does `work`, and cancels it when a signal comes: politely at the first, at once at the second. Gives the result,
    /// and the signal that came.
    pub(crate) async fn cancelling<T>(&self, cancel: &Cancel, work: impl Future<Output = T>) -> (T, Option<Signal>) {
        let mut came = None;
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return (result, came),
                signal = self.next() => {
                    came.get_or_insert(signal);
                    cancel.press();
                }
            }
        }
    }

    /// Does `work`, and drops it when a signal comes.
    ///
    /// # Errors
    /// The signal, as the error that ends the command.
    pub(crate) async fn or_ended<T>(&self, work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        tokio::select! {
            biased;
            result = work => result,
            signal = self.next() => Err(CliError::new(signal.kind(), format!("ended by {signal}"))),
        }
    }
}
