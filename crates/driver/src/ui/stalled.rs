//! Writing to standard output, whose reader may take nothing: a signal ends that wait too.
//!
//! Output of commands is written where the runtime's only thread is, which hears no signal meanwhile. So as soon as a write
//! would wait, a thread with a runtime of its own listens.

use std::{
    io,
    sync::mpsc::{Receiver, channel},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    stdio::stdout,
};
use tokio::sync::oneshot;

use super::stream;
use mer_service::spawn_thread;

use crate::{app::Streams, errors::CliError, signal::Signal};

/// What a pipe that is ready takes without waiting (PIPE_BUF).
const ATOMIC: usize = 4096;

/// Between two looks whether a signal has come.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Writes all of it to standard output.
///
/// # Errors
/// It cannot be written (74), its reader has gone, or a signal came while nothing was taken.
pub(super) fn write_all(mut bytes: &[u8]) -> Result<(), CliError> {
    let mut listener = None;
    while !bytes.is_empty() {
        let out = stdout();
        match poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&LOOK)) {
            Ok(0) => {
                let listener = listener.get_or_insert_with(Listener::start);
                if let Some(signal) = listener.heard() {
                    return Err(CliError::by_signal(signal, "ended by a signal, before standard output was taken"));
                }
            }
            Err(Errno::INTR) => {}
            // What is wrong with it is said by the write.
            Ok(_) | Err(_) => match rustix::io::write(out, &bytes[..bytes.len().min(ATOMIC)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(stream::failed(io::Error::from(errno))),
            },
        }
    }
    Ok(())
}

/// Listens to signals on a thread of its own, for as long as it lives.
struct Listener {
    heard: Receiver<Signal>,
    _stop: oneshot::Sender<()>,
}

impl Listener {
    fn start() -> Self {
        let (tell, heard) = channel();
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
                // The receiver is gone where all was taken after all.
                let _ = tell.send(signal);
                Ok(())
            })
        };
        // Without it everything is as before, and only KILL ends the wait.
        let _ = spawn_thread("mer-signals", move || drop(listen()));
        Self { heard, _stop: stop }
    }

    fn heard(&self) -> Option<Signal> {
        self.heard.try_recv().ok()
    }
}
