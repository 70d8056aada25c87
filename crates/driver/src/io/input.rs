//! Reading a model's input: standard input, a file, or text of the command line.

use std::{io, os::fd::OwnedFd, path::PathBuf, sync::mpsc as std_mpsc};

use bytes::Bytes;
use mer_core::{Bound, FailureKind};
use mer_meal::Input;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::app::App;
use crate::{apart::on_a_thread, cli, errors::CliError, ui};

/// Bytes of one read.
const CHUNK: usize = 256 * 1024;
/// Default capacity of a pipe, in bytes.
const FULL_PIPE: usize = 64 * 1024;
/// Capacity that a pipe is set to once it was full, in bytes.
pub(super) const PIPE_BYTES: usize = 1024 * 1024;
/// Maximum number of chunks that wait for the model.
const QUEUE: usize = 4;

/// The origin of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A command line of a shell, with its own standard input.
    Shell,
    /// A line of the REPL or of a script, where standard input is the commands themselves.
    Line,
}

/// A chunk whose buffer goes back to the reader when it is dropped.
struct ReusedBuffer {
    buffer: Vec<u8>,
    count: usize,
    back: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for ReusedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.count]
    }
}

impl Drop for ReusedBuffer {
    fn drop(&mut self) {
        // The reader may have ended already.
        let _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}

impl App {
    /// Opens the input of a request. The wait for a file system that does not answer is bounded by the request's timeout and
    /// ended by a signal.
    ///
    /// # Errors
    /// As [`source`]; or the timeout ran out (124), or a signal came.
    pub(crate) async fn input(
        &self,
        input: cli::Input,
        origin: Origin,
        bound: Option<Bound>,
    ) -> Result<Input, CliError> {
        if let (Some(ui), Origin::Shell, cli::Input::Absent) = (self.ui.get(), origin, &input)
            && ui.can_ask()
        {
            ui.note("no input was given, and an empty one is sent; `-` reads from the terminal");
        }
        let named = match &input {
            cli::Input::File(path) => Some(path.clone()),
            _ => None,
        };
        let _notice = named.as_ref().map(|path| {
            self.telling(|| format!("waiting for the input file `{}` (Ctrl-C ends the wait)", path.display()))
        });
        self.signals
            .or_ended(within(bound, source(input, origin), || {
                let path = named.unwrap_or_default();
                format!("the input file `{}` could be opened", path.display())
            }))
            .await
    }
}

/// Runs `work` within the timeout of a request.
///
/// # Errors
/// As `work`; or the timeout ran out (124): the message says what did not happen in time, `what`.
pub(crate) async fn within<T>(
    bound: Option<Bound>,
    work: impl Future<Output = Result<T, CliError>>,
    what: impl FnOnce() -> String,
) -> Result<T, CliError> {
    let bound = bound.unwrap_or(mer_core::Bounds::default().timeout);
    let Some(duration) = bound.duration() else { return work.await };
    timeout(duration, work).await.unwrap_or_else(|_| {
        Err(CliError::new(FailureKind::Timeout, format!("`timeout` ran out after {bound}, before {}", what())))
    })
}

/// Opens the input that a command line asks for.
///
/// # Errors
/// The file cannot be opened (74), or there is no standard input to read (64).
pub(crate) async fn source(input: cli::Input, origin: Origin) -> Result<Input, CliError> {
    match (input, origin) {
        (cli::Input::Text(mut text), _) => {
            text.push(b'\n');
            Ok(Input::Bytes(text.into()))
        }
        (cli::Input::File(path), _) => {
            let name = path.display().to_string();
            let opened = opened(path).await;
            opened.map_err(|error| CliError::io(format!("cannot read the input file `{name}`"), error))
        }
        (cli::Input::Stdin, Origin::Line) => {
            Err(CliError::usage("`-` is standard input, and here that is where commands come from")
                .hint("give the input on the line, or as `@FILE`"))
        }
        (cli::Input::Absent, Origin::Line) => Ok(Input::Bytes(Bytes::new())),
        (cli::Input::Absent, Origin::Shell) if ui::stdin_is_terminal() => Ok(Input::Bytes(Bytes::new())),
        (cli::Input::Absent | cli::Input::Stdin, Origin::Shell) => {
            let stdin = rustix::io::dup(rustix::stdio::stdin());
            let stdin = stdin.map_err(|errno| CliError::io("there is no standard input", io::Error::from(errno)))?;
            let (chunks, receiver) = mpsc::channel(QUEUE);
            on_a_thread("mer-stdin", move || read(&stdin, &chunks))
                .map_err(|error| CliError::io("cannot start a thread", error))?;
            Ok(Input::Stream(receiver))
        }
    }
}

/// Opens a file on the thread that reads it, because both may block.
///
/// # Errors
/// It cannot be opened.
pub(crate) async fn opened(path: PathBuf) -> io::Result<Input> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let (opened, outcome) = oneshot::channel();
    on_a_thread("mer-stdin", move || {
        let file = match mer_files::open_input(&path) {
            Ok(file) => file,
            Err(error) => return drop(opened.send(Err(error))),
        };
        // The caller no longer waits after a signal.
        let _ = opened.send(Ok(()));
        match file.wait(|| !chunks.is_closed()) {
            Ok(Some(fd)) => read(&fd, &chunks),
            Ok(None) => {}
            Err(error) => drop(chunks.blocking_send(Err(error))),
        }
    })?;
    outcome.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
    Ok(Input::Stream(receiver))
}

/// Reads to the end, or until the receiver has gone. Blocks, so it needs its own thread. An error is sent as the last item: the
/// receiver must know that chunks are missing.
fn read(from: &OwnedFd, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    let (back, spare) = std_mpsc::channel::<Vec<u8>>();
    let mut bulk = false;
    loop {
        // Buffers are reused: the page faults of fresh memory cost more than the reading.
        let mut buffer = spare.try_recv().unwrap_or_default();
        buffer.resize(CHUNK, 0);
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                // A pipe that was full will be full again, and a larger one wakes this thread less often. Fails harmlessly
                // if it is no pipe, or if the kernel refuses.
                if !bulk && count >= FULL_PIPE {
                    bulk = true;
                    let _ = rustix::pipe::fcntl_setpipe_size(from, PIPE_BYTES);
                }
                let chunk = Bytes::from_owner(ReusedBuffer { buffer, count, back: back.clone() });
                if chunks.blocking_send(Ok(chunk)).is_err() {
                    return;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return drop(chunks.blocking_send(Err(errno.into()))),
        }
    }
}

/// Reads a whole input as text.
///
/// # Errors
/// It cannot be read to its end (74), is longer than `max_bytes`, or is not UTF-8 (65).
pub(crate) async fn whole_text(mut input: Input, name: &str, max_bytes: usize) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_bytes(&mut input, name).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > max_bytes {
            return Err(CliError::input(format!("`{name}` is longer than {} MiB", max_bytes >> 20)));
        }
    }
    String::from_utf8(bytes).map_err(|_| CliError::input(format!("`{name}` is not valid UTF-8")))
}

/// Reads the next bytes of an input; `None` at its end.
///
/// # Errors
/// It cannot be read to its end (74).
pub(crate) async fn next_bytes(input: &mut Input, name: &str) -> Result<Option<Bytes>, CliError> {
    let cut_short = |error| CliError::io(format!("`{name}` could not be read to its end"), error);
    match input {
        Input::Bytes(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
        Input::Stream(chunks) => chunks.recv().await.transpose().map_err(cut_short),
    }
}
