//! Where a model's input comes from.

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

/// One read of a stream.
const CHUNK: usize = 256 * 1024;
/// What a pipe holds where nobody made it larger, and what it is asked to hold once it was full.
pub(super) const FULL_PIPE: usize = 64 * 1024;
pub(super) const PIPE_BYTES: usize = 1024 * 1024;
/// Chunks that may wait for the model.
const QUEUE: usize = 4;

/// Where a command was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On a command line of its own, which has a standard input.
    Shell,
    /// In the REPL or a script, whose standard input is the commands themselves.
    Line,
}

/// A chunk whose memory goes back to the reader when nobody holds it any more.
struct Lent {
    buffer: Vec<u8>,
    count: usize,
    back: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.count]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The reader may have ended before its last chunk.
        let _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}

impl App {
    /// The input of a request. A file system that does not answer is waited for no longer than the request may take, and a
    /// signal ends the wait.
    ///
    /// # Errors
    /// As [`source`]; or the bound ran out (124), or a signal came.
    pub(crate) async fn input(
        &self,
        input: cli::Input,
        origin: Origin,
        bound: Option<Bound>,
    ) -> Result<Input, CliError> {
        if let (Some(ui), Origin::Shell, cli::Input::Absent) = (self.ui(), origin, &input)
            && ui.can_ask()
        {
            ui.note("no input was given, and an empty one is sent; `-` reads from the terminal");
        }
        let named = match &input {
            cli::Input::File(path) => Some(path.clone()),
            _ => None,
        };
        let _told = named.as_ref().map(|path| {
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

/// Does `work` within the bound of a request. `what` could not be done where that runs out.
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

/// The input that a command line asks for.
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

/// A file to be read. It is opened where it is read: each of the two may block.
///
/// # Errors
/// It cannot be opened.
pub(crate) async fn opened(path: PathBuf) -> io::Result<Input> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let (opened, told) = oneshot::channel();
    on_a_thread("mer-stdin", move || {
        let file = match mer_files::open_input(&path) {
            Ok(file) => file,
            Err(error) => return drop(opened.send(Err(error))),
        };
        // After a signal the caller no longer waits.
        let _ = opened.send(Ok(()));
        match file.wait(|| !chunks.is_closed()) {
            Ok(Some(fd)) => read(&fd, &chunks),
            Ok(None) => {}
            Err(error) => drop(chunks.blocking_send(Err(error))),
        }
    })?;
    told.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
    Ok(Input::Stream(receiver))
}

/// Reads to the end, or until the receiver is gone. Reading a file, a pipe or a terminal blocks, and nothing else may wait for
/// it: it has a thread of its own. An error is the last item that is sent: the receiver must know that the chunks are not all of it.
fn read(from: &OwnedFd, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    let (back, spare) = std_mpsc::channel::<Vec<u8>>();
    let mut bulk = false;
    loop {
        // Fresh memory is fresh pages, whose faults cost more than the reading: chunks that were sent are used again.
        let mut buffer = spare.try_recv().unwrap_or_default();
        buffer.resize(CHUNK, 0);
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                // A pipe that was full will be so again: a larger one wakes us less often. Where it is none, or the
                // kernel refuses, nothing is lost.
                if !bulk && count >= FULL_PIPE {
                    bulk = true;
                    let _ = rustix::pipe::fcntl_setpipe_size(from, PIPE_BYTES);
                }
                let chunk = Bytes::from_owner(Lent { buffer, count, back: back.clone() });
                if chunks.blocking_send(Ok(chunk)).is_err() {
                    return;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return drop(chunks.blocking_send(Err(errno.into()))),
        }
    }
}

/// All of an input as text, for commands that read a file whole.
///
/// # Errors
/// It cannot be read to its end (74), is longer than `most` bytes, or is no UTF-8 (65).
pub(crate) async fn whole_text(mut input: Input, name: &str, most: usize) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_bytes(&mut input, name).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(CliError::input(format!("`{name}` is longer than {} MiB", most >> 20)));
        }
    }
    String::from_utf8(bytes).map_err(|_| CliError::input(format!("`{name}` is not valid UTF-8")))
}

/// The next bytes of an input; nothing at its end.
///
/// # Errors
/// It cannot be read to its end (74).
pub(crate) async fn next_bytes(input: &mut Input, name: &str) -> Result<Option<Bytes>, CliError> {
    let cut = |error| CliError::io(format!("`{name}` could not be read to its end"), error);
    match input {
        Input::Bytes(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
        Input::Stream(chunks) => chunks.recv().await.transpose().map_err(cut),
    }
}
