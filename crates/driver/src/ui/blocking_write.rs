//! Writing to a reader that may take nothing, where a signal ends the wait.
//!
//! Commands write their output on the runtime's only thread, which receives no signal meanwhile. As soon as a write would
//! block, a thread with its own runtime listens for signals.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::mpsc::{Receiver, channel},
};

use mer_service::spawn_thread;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tokio::sync::oneshot;

use crate::{app::Streams, errors::CliError, signal::Signal};

/// Bytes that a pipe which is ready takes without blocking (PIPE_BUF).
const ATOMIC: usize = 4096;

/// Interval at which a blocked write checks for a signal: 100 ms.
const CHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Whether the other end of a pipe is open; also for what is no pipe.
pub(super) fn has_reader(out: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    !(poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::ERR))
}

/// Why not everything was written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// A signal came while the reader took nothing.
    Signal(Signal),
    /// The write failed.
    Io(io::Error),
}

/// Writes all bytes. Signals are listened to as soon as a write would block, if `listener` is none yet.
///
/// # Errors
/// The write failed, or a signal came while the reader took nothing.
pub(super) fn write_to(
    out: BorrowedFd<'_>,
    mut bytes: &[u8],
    listener: &mut Option<Listener>,
) -> Result<(), WriteError> {
    while !bytes.is_empty() {
        match poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&CHECK)) {
            Ok(0) => {
                let listener = listener.get_or_insert_with(Listener::start);
                if let Some(signal) = listener.received() {
                    return Err(WriteError::Signal(signal));
                }
            }
            Err(Errno::INTR) => {}
            // The write reports what is wrong with the stream.
            Ok(_) | Err(_) => match rustix::io::write(out, &bytes[..bytes.len().min(ATOMIC)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(WriteError::Io(errno.into())),
            },
        }
    }
    Ok(())
}

/// Listens for signals on its own thread until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    signals: Receiver<Signal>,
    _stop: oneshot::Sender<()>,
}

impl Listener {
    /// Starts to listen. From then on signals do not end the process by themselves.
    pub(super) fn start() -> Self {
        let (sender, signals) = channel();
        let (stop, mut stopped) = oneshot::channel::<()>();
        let (begun, begins) = channel();
        let mut listen = move || -> Result<(), CliError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let runtime = runtime.map_err(|error| CliError::io("cannot listen to signals", error))?;
            runtime.block_on(async {
                let mut streams = Streams::listen()?;
                // The receiver waits, and cannot have gone.
                let _ = begun.send(());
                loop {
                    let signal = tokio::select! {
                        signal = streams.next() => signal,
                        _ = &mut stopped => return Ok(()),
                    };
                    // The receiver has gone if the reader took everything after all.
                    let _ = sender.send(signal);
                }
            })
        };
        // Without the thread only KILL ends the wait.
        if spawn_thread("mer-signals", move || drop(listen())).is_ok() {
            // Fails if the thread cannot listen.
            let _ = begins.recv();
        }
        Self { signals, _stop: stop }
    }

    /// Returns the next signal that came, if there is one.
    pub(super) fn received(&self) -> Option<Signal> {
        self.signals.try_recv().ok()
    }
}
