//! Ctrl-C, SIGTERM and SIGHUP: the first signal ends work within its grace period, the second at once.
//!
//! A signal that was ignored when `mer` began (`nohup`, `trap '' INT`, a background job of a script) stays ignored, for its
//! models too. The exception is SIGTERM: MER ends models with it, so they always begin with its default.

use std::{cell::Cell, sync::OnceLock, time::Duration};

use mer_meal::{Cancel, ignored_signals};
use tokio::signal::unix::{self, SignalKind};

use crate::{
    errors::CliError,
    signal::Signal,
    ui::{WaitNotice, is_terminal_taken, was_terminal_taken},
};

/// The signals that `mer` listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    streams: tokio::sync::Mutex<Streams>,
    /// The last signal that came.
    last: Cell<Option<Signal>>,
}

/// The signals of one listener.
#[derive(Debug)]
pub(crate) struct Streams {
    /// `None` if it is ignored.
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
    hangup: Option<unix::Signal>,
    /// Signals with a handler that does nothing: after an exec a handled signal has its default again, an ignored one stays
    /// ignored.
    _unheard: Vec<unix::Signal>,
}

/// SIGXFSZ: with a handler, a write beyond `ulimit -f` fails with an error, and does not kill the process.
const FILE_SIZE: i32 = 25;

impl Streams {
    /// Starts to listen: from now on signals do not end the process by themselves. Must be called within the runtime.
    pub(crate) fn listen() -> Result<Self, CliError> {
        let ignored = ignored();
        let listen = |kind| unix::signal(kind).map_err(|error| CliError::io("cannot listen to signals", error));
        let unless_ignored = |kind| if is_in(ignored, kind) { Ok(None) } else { listen(kind).map(Some) };
        let mut unheard = vec![listen(SignalKind::from_raw(FILE_SIZE))?];
        if is_in(ignored, SignalKind::terminate()) {
            unheard.push(listen(SignalKind::terminate())?);
        }
        Ok(Self {
            interrupt: unless_ignored(SignalKind::interrupt())?,
            terminate: unless_ignored(SignalKind::terminate())?,
            hangup: unless_ignored(SignalKind::hangup())?,
            _unheard: unheard,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = received(&mut self.interrupt) => Signal::Interrupt,
            () = received(&mut self.terminate) => Signal::Terminate,
            () = received(&mut self.hangup) => Signal::Hangup,
        }
    }
}

impl Signals {
    /// As [`Streams::listen`].
    pub(super) fn listen() -> Result<Self, CliError> {
        Ok(Self { streams: tokio::sync::Mutex::new(Streams::listen()?), last: Cell::new(None) })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&self) -> Signal {
        let signal = self.streams.lock().await.next().await;
        self.last.set(Some(signal));
        signal
    }

    /// Forgets a Ctrl-C that was a key of a pager, if one had the terminal since the previous call.
    pub(crate) async fn forget_keys_of_pager(&self) {
        /// Enough for the runtime to take note of a signal that came while its thread waited for the pager.
        const NOTED: Duration = Duration::from_millis(1);
        if was_terminal_taken() {
            tokio::time::sleep(NOTED).await;
            let mut streams = self.streams.lock().await;
            tokio::select! {
                biased;
                () = received(&mut streams.interrupt) => {}
                () = std::future::ready(()) => {}
            }
        }
    }

    /// Returns the last signal that came since the previous call.
    pub(crate) fn take_last(&self) -> Option<Signal> {
        self.last.take()
    }

    /// Does `work`, and cancels it when a signal comes: within its grace period at the first, at once at the second. Returns
    /// the result, and the first signal. `ending` shows the wait that follows the first signal.
    pub(crate) async fn cancel_on_signal<T>(
        &self,
        cancel: &Cancel,
        ending: impl Fn() -> Option<WaitNotice>,
        work: impl Future<Output = T>,
    ) -> (T, Option<Signal>) {
        let (mut came, mut notice) = (None, None);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => {
                    drop(notice);
                    return (result, came);
                }
                signal = self.next() => {
                    came.get_or_insert(signal);
                    notice = notice.or_else(&ending);
                    cancel.press();
                }
            }
        }
    }

    /// Does `work`, or drops it when a signal comes. Ctrl-C does not end it while a pager has the terminal: it is a key of the
    /// pager then.
    ///
    /// # Errors
    /// The signal, as the error that ends the command.
    pub(crate) async fn unless_ended<T>(&self, work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                signal = self.next() => {
                    if signal != Signal::Interrupt || !is_terminal_taken() {
                        return Err(CliError::ended_by(signal));
                    }
                    self.last.set(None);
                }
            }
        }
    }
}

/// Unblocks all signals: a SIGTERM that was blocked when `mer` began would never arrive, and models inherit the mask. Must be
/// called before there is a second thread.
pub(crate) fn unblock() {
    // If that fails, they stay blocked; there is no log yet for a warning.
    let _ = nix::sys::signal::SigSet::all().thread_unblock();
}

async fn received(stream: &mut Option<unix::Signal>) {
    match stream {
        Some(stream) => drop(stream.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that this process ignored before it began to listen: any handler changes that.
fn ignored() -> u64 {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    *IGNORED.get_or_init(ignored_signals)
}

fn is_in(mask: u64, kind: SignalKind) -> bool {
    u32::try_from(kind.as_raw_value() - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_of_proc_has_a_bit_for_each_signal() {
        // `nohup`: SIGHUP, and SIGPIPE as Rust has it.
        let mask = u64::from_str_radix("0000000000001001", 16).expect("a mask");
        assert!(is_in(mask, SignalKind::hangup()) && is_in(mask, SignalKind::pipe()));
        assert!(!is_in(mask, SignalKind::interrupt()) && !is_in(mask, SignalKind::terminate()));
    }
}
