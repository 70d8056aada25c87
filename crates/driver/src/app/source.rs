//! Where a model's input comes from.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, OnceLock, mpsc as std_mpsc},
    thread,
};

use bytes::Bytes;
use mer_core::not_started;
use mer_meal::Input;
use tokio::sync::mpsc;

use crate::{cli, error::CliError};

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

/// An input, and whether reading it failed on the way: then the model was sent a part, and its answer is worth nothing.
#[derive(Debug)]
pub(crate) struct Source {
    /// What the model is sent.
    pub(crate) input: Input,
    failure: Arc<OnceLock<io::Error>>,
}

impl Source {
    fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { input: Input::Bytes(bytes.into()), failure: Arc::default() }
    }

    /// What to ask once the run is over.
    pub(crate) fn failure(&self) -> Failure {
        Failure(Arc::clone(&self.failure))
    }
}

/// Why an input ended before its end, if it did.
#[derive(Debug)]
pub(crate) struct Failure(Arc<OnceLock<io::Error>>);

impl Failure {
    /// # Errors
    /// The input could not be read to its end (74).
    pub(crate) fn check(&self) -> Result<(), CliError> {
        match self.0.get() {
            Some(error) => Err(CliError::io("the input could not be read to its end", io::Error::from(error.kind()))),
            None => Ok(()),
        }
    }
}

/// The input that a command line asks for.
///
/// # Errors
/// The file cannot be opened (74), or there is no standard input to read (64).
pub(crate) fn source(input: cli::Input, origin: Origin) -> Result<Source, CliError> {
    match (input, origin) {
        (cli::Input::Text(mut text), _) => {
            text.push(b'\n');
            Ok(Source::whole(text))
        }
        (cli::Input::File(path), _) => stream(open(&path)?.into()),
        (cli::Input::Stdin, Origin::Line) => {
            Err(CliError::usage("`-` is standard input, and here that is where commands come from")
                .hint("give the input on the line, or as `@FILE`"))
        }
        (cli::Input::Absent, Origin::Line) => Ok(Source::whole(Bytes::new())),
        (cli::Input::Absent, Origin::Shell) if io::stdin().is_terminal() => Ok(Source::whole(Bytes::new())),
        (cli::Input::Absent | cli::Input::Stdin, Origin::Shell) => {
            let stdin = rustix::io::dup(rustix::stdio::stdin());
            stream(stdin.map_err(|errno| CliError::io("there is no standard input", io::Error::from(errno)))?)
        }
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    let failed = |error| CliError::io(format!("cannot read the input file `{}`", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}

/// Reads on a thread of its own: reading a file or a terminal blocks, and nothing else may wait for it. The thread ends
/// with the stream, or when nobody wants the next chunk.
fn stream(from: OwnedFd) -> Result<Source, CliError> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let failure = Arc::new(OnceLock::new());
    let failed = Arc::clone(&failure);
    let read = move || {
        let (back, spare) = std_mpsc::channel::<Vec<u8>>();
        let mut bulk = false;
        loop {
            // Fresh memory is fresh pages, whose faults cost more than the reading: chunks that were sent are used again.
            let mut buffer = spare.try_recv().unwrap_or_default();
            buffer.resize(CHUNK, 0);
            match rustix::io::read(&from, &mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    // A pipe that was full will be so again: a larger one wakes us less often. Where it is none, or the
                    // kernel refuses, nothing is lost.
                    if !bulk && count >= FULL_PIPE {
                        bulk = true;
                        let _ = rustix::pipe::fcntl_setpipe_size(&from, PIPE_BYTES);
                    }
                    let chunk = Bytes::from_owner(Lent { buffer, count, back: back.clone() });
                    if chunks.blocking_send(Ok(chunk)).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    // Set before the stream ends, so that whoever sees the end sees this too.
                    let _ = failed.set(errno.into());
                    return;
                }
            }
        }
    };
    let spawned = thread::Builder::new().name("mer-stdin".to_owned()).spawn(read);
    spawned.map_err(|error| CliError::io("cannot start a thread", not_started(error)))?;
    Ok(Source { input: Input::Stream(receiver), failure })
}
