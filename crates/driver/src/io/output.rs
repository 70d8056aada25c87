//! Where a model's output goes: standard output, a file, or memory. Whatever it is, a slow reader holds up the model and
//! nothing else: blocking writes happen on a thread of their own.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use mer_service::{ByteSink, run_blocking, spawn_thread};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use crate::{errors::CliError, ui::hide_status_line};
use mer_core::FailureKind;

/// What a pipe that is ready takes without blocking (PIPE_BUF).
const ATOMIC: usize = 4096;
/// Capacity that a pipe is set to when it carries much, in bytes.
const PIPE_BYTES: usize = 1024 * 1024;
/// Chunks that may wait for a slow reader.
const QUEUE: usize = 4;
/// The most output that `--json` carries.
pub(crate) const JSON_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// A destination of a model's output.
#[derive(Debug)]
pub(crate) enum Sink {
    /// A stream of this process: its standard output or error.
    Stream(Stream),
    /// A file that appears under its name only when all of it is there.
    File(OutputFile),
    /// Memory, up to [`JSON_OUTPUT_BYTES`].
    Memory(Vec<u8>),
}

/// The file that output is to go to; `-` is standard output, as it is standard input elsewhere.
pub(crate) fn file_for(output: Option<&PathBuf>) -> Option<&Path> {
    output.map(PathBuf::as_path).filter(|path| *path != Path::new("-"))
}

impl Sink {
    /// Standard output.
    pub(crate) fn stdout() -> Result<Self, CliError> {
        Stream::of(rustix::stdio::stdout()).map(Self::Stream)
    }

    /// Standard error.
    pub(crate) fn stderr() -> Result<Self, CliError> {
        Stream::of(rustix::stdio::stderr()).map(Self::Stream)
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// It cannot be written (74), its reader is gone (141), or it is more than `--json` carries (64).
    pub(crate) async fn put(&mut self, chunk: Bytes) -> Result<(), CliError> {
        match self {
            Self::Stream(stream) => {
                hide_status_line();
                stream.put(chunk).await.map_err(failed)
            }
            Self::File(file) => file.stream.put(chunk).await.map_err(|error| file.failed(error)),
            Self::Memory(bytes) if bytes.len() + chunk.len() > JSON_OUTPUT_BYTES => {
                Err(CliError::usage("the output is longer than the 16 MiB that `--json` carries")
                    .hint("write it to a file: `-o FILE`"))
            }
            Self::Memory(bytes) => {
                bytes.extend_from_slice(&chunk);
                Ok(())
            }
        }
    }

    /// Waits until everything is written. `keep` says whether an output file is to get its name.
    ///
    /// # Errors
    /// As [`Sink::put`].
    pub(crate) async fn finish(self, keep: bool) -> Result<Vec<u8>, CliError> {
        match self {
            Self::Stream(stream) => stream.finish().await.map(|()| Vec::new()).map_err(failed),
            Self::File(file) => file.finish(keep).await.map(|()| Vec::new()),
            Self::Memory(bytes) => Ok(bytes),
        }
    }
}

impl ByteSink for Sink {
    type Error = CliError;

    async fn write(&mut self, chunk: Bytes) -> Result<(), CliError> {
        self.put(chunk).await
    }
}

/// A file descriptor that is written to without holding up the runtime.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    chunks: mpsc::Sender<Bytes>,
    done: oneshot::Receiver<io::Result<()>>,
}

impl Stream {
    fn of(fd: BorrowedFd<'_>) -> Result<Self, CliError> {
        let fd = fd.try_clone_to_owned().map_err(failed)?;
        Ok(Self { fd, writer: None })
    }

    async fn put(&mut self, chunk: Bytes) -> io::Result<()> {
        if self.writer.is_none() {
            if chunk.len() <= ATOMIC && is_ready(self.fd.as_fd()) {
                return write_all(&self.fd, &chunk);
            }
            self.writer = Some(self.start_writer()?);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if writer.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        // The thread leaves early only with an error.
        match (&mut writer.done).await {
            Ok(Err(error)) => Err(error),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn start_writer(&self) -> io::Result<Writer> {
        let fd = self.fd.try_clone()?;
        // More than a line is coming: a larger pipe wakes both ends less often. Where it is none, nothing is lost.
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_BYTES);
        let (chunks, mut receiver) = mpsc::channel::<Bytes>(QUEUE);
        let (tell, done) = oneshot::channel();
        let write = move || {
            let mut result = Ok(());
            while let Some(chunk) = receiver.blocking_recv() {
                result = write_all(&fd, &chunk);
                if result.is_err() {
                    break;
                }
            }
            drop(receiver);
            // Nobody listens where the command is over already.
            let _ = tell.send(result);
        };
        spawn_thread("mer-stdout", write)?;
        Ok(Writer { chunks, done })
    }

    async fn finish(self) -> io::Result<()> {
        let Some(Writer { chunks, done }) = self.writer else { return Ok(()) };
        drop(chunks);
        done.await.unwrap_or(Ok(()))
    }
}

/// The target of `-o FILE`.
#[derive(Debug)]
pub(crate) struct OutputFile {
    stream: Stream,
    target: PathBuf,
    /// What becomes the target at the end; none where the target is no regular file (`/dev/null`, a fifo).
    temporary: Option<PathBuf>,
}

impl OutputFile {
    /// A file as everybody's are; one that is there keeps its mode. A named pipe waits for its reader.
    ///
    /// # Errors
    /// It cannot be written (74).
    pub(crate) async fn create(target: &Path) -> Result<Self, CliError> {
        Self::with_mode(target, 0o666).await
    }

    /// A file that nobody else may read, for what may have passwords in it; one that is there keeps its mode.
    ///
    /// # Errors
    /// It cannot be written (74).
    pub(crate) async fn create_private(target: &Path) -> Result<Self, CliError> {
        Self::with_mode(target, 0o600).await
    }

    async fn with_mode(target: &Path, mode: u32) -> Result<Self, CliError> {
        let path = target.to_owned();
        // A caller that stops waiting drops the file with the thread's answer, and the half file is removed.
        run_blocking("mer-file", move || Self::open(path, mode)).await.map_err(|error| unwritten(target, error))
    }

    /// May block.
    fn open(target: PathBuf, mode: u32) -> io::Result<Self> {
        let found = fs::metadata(&target).ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            let stream = Stream { fd: mer_files::open_output(&target)?.into(), writer: None };
            return Ok(Self { stream, target, temporary: None });
        }
        let mut name = target.clone().into_os_string();
        name.push(format!(".mer-{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let file = mer_files::internal().write().create(mode).truncate().open(&temporary)?;
        if let Some(found) = found {
            // What was kept from others stays so. On a file system without modes there is nothing to keep.
            let _ = file.set_permissions(found.permissions());
        }
        let stream = Stream { fd: file.into(), writer: None };
        Ok(Self { stream, target, temporary: Some(temporary) })
    }

    async fn finish(mut self, keep: bool) -> Result<(), CliError> {
        self.write_rest().await.map_err(|error| self.failed(error))?;
        let Some(temporary) = self.temporary.as_deref().filter(|_| keep) else { return Ok(()) };
        fs::rename(temporary, &self.target).map_err(|error| self.failed(error))?;
        self.temporary = None;
        Ok(())
    }

    async fn write_rest(&mut self) -> io::Result<()> {
        let stream = Stream { fd: self.stream.fd.try_clone()?, writer: self.stream.writer.take() };
        stream.finish().await
    }

    /// What a failed write means. A fifo may lose its reader.
    fn failed(&self, error: io::Error) -> CliError {
        if error.kind() == io::ErrorKind::BrokenPipe { failed(error) } else { unwritten(&self.target, error) }
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // A run that failed leaves no half file.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Whether a short write will not block.
fn is_ready(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(1)) && fds[0].revents().contains(PollFlags::OUT)
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn unwritten(target: &Path, error: io::Error) -> CliError {
    CliError::io(format!("cannot write the output file `{}`", target.display()), error)
}

/// What a failed write to a stream means.
fn failed(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CliError::new(FailureKind::ReaderGone, "the reader of the output has gone")
    } else {
        CliError::io("cannot write the output", error)
    }
}
