//! Writing to standard output. Its reader may take nothing, and a signal ends that wait too.
//!
//! Commands write their output on the runtime's only thread, which receives no signal meanwhile. As soon as a write would
//! block, a thread with its own runtime listens for signals.

use std::{
    io,
    sync::mpsc::{Receiver, channel},
};

use mer_core::FailureKind;
use mer_service::spawn_thread;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    stdio::stdout,
};
use tokio::sync::oneshot;

use super::status_line;
use crate::{app::Streams, errors::CliError, signal::Signal};

/// Bytes that a pipe which is ready takes without blocking (PIPE_BUF).
const ATOMIC: usize = 4096;

/// Interval at which a blocked write checks for a signal: 100 ms.
const CHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Writes all bytes to standard output.
///
/// # Errors
/// It cannot be written (74), its reader has gone, or a signal came while the reader took nothing.
pub(super) fn write_all(mut bytes: &[u8]) -> Result<(), CliError> {
    status_line::hide();
    let mut listener = None;
    while !bytes.is_empty() {
        let out = stdout();
        match poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&CHECK)) {
            Ok(0) => {
                let listener = listener.get_or_insert_with(Listener::start);
                if let Some(signal) = listener.received() {
                    return Err(CliError::by_signal(signal, "ended by a signal, before standard output was taken"));
                }
            }
            Err(Errno::INTR) => {}
            // The write reports what is wrong with the stream.
            Ok(_) | Err(_) => match rustix::io::write(out, &bytes[..bytes.len().min(ATOMIC)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(write_error(io::Error::from(errno))),
            },
        }
    }
    Ok(())
}

/// The error of a failed write to standard output.
fn write_error(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CliError::new(FailureKind::ReaderGone, "the reader of standard output has gone")
    } else {
        CliError::io("cannot write to standard output", error)
    }
}

/// Listens for signals on its own thread until it is dropped.
struct Listener {
    signals: Receiver<Signal>,
    _stop: oneshot::Sender<()>,
}

impl Listener {
    fn start() -> Self {
        let (sender, signals) = channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let listen = move || -> Result<(), CliError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let runtime = runtime.map_err(|error| CliError::io("cannot listen to signals", error))?;
            runtime.block_on(async {
                let mut streams = Streams::listen()?;
                let signal = tokio::select! {
                    signal = streams.next() => signal,
                    _ = stopped => return Ok(()),
                };
                // The receiver has gone if the reader took everything after all.
                let _ = sender.send(signal);
                Ok(())
            })
        };
        // Without the thread only KILL ends the wait.
        let _ = spawn_thread("mer-signals", move || drop(listen()));
        Self { signals, _stop: stop }
    }

    fn received(&self) -> Option<Signal> {
        self.signals.try_recv().ok()
    }
}
