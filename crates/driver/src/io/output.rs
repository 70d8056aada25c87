//! Writing a model's output: to standard output, a file, or memory. A slow reader delays the model and nothing else: blocking
//! writes happen on another thread.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use super::input::PIPE_BYTES;
use crate::{
    apart::{apart, on_a_thread},
    errors::{CliError, Kind},
    ui::hide_status_line,
};

/// Bytes that a pipe which is ready takes without blocking (PIPE_BUF).
const ATOMIC: usize = 4096;
/// Maximum number of chunks that wait for a slow reader.
const QUEUE: usize = 4;
/// Maximum output in the JSON of `--json`, in bytes.
pub(crate) const JSON_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// A destination of a model's output.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Standard output or standard error.
    Stream(Stream),
    /// A file that gets its name when it is complete.
    File(OutputFile),
    /// Memory, up to [`JSON_OUTPUT_BYTES`].
    Memory(Vec<u8>),
}

/// Returns the file of `-o`, or `None` for standard output, which `-` means too.
pub(crate) fn file_for(output: Option<&PathBuf>) -> Option<&Path> {
    output.map(PathBuf::as_path).filter(|path| *path != Path::new("-"))
}

impl Sink {
    /// Returns standard output.
    pub(crate) fn stdout() -> Result<Self, CliError> {
        Stream::of(rustix::stdio::stdout()).map(Self::Stream)
    }

    /// Returns standard error.
    pub(crate) fn stderr() -> Result<Self, CliError> {
        Stream::of(rustix::stdio::stderr()).map(Self::Stream)
    }

    /// Writes the next chunk.
    ///
    /// # Errors
    /// It cannot be written (74), its reader has gone (141), or it is too long for `--json` (64).
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

    /// Waits until everything is written; returns the bytes in memory, if that is the destination. `commit` says whether an
    /// output file gets its name or is removed.
    ///
    /// # Errors
    /// As [`Sink::put`].
    pub(crate) async fn finish(self, commit: bool) -> Result<Vec<u8>, CliError> {
        match self {
            Self::Stream(stream) => stream.finish().await.map(|()| Vec::new()).map_err(failed),
            Self::File(file) => file.finish(commit).await.map(|()| Vec::new()),
            Self::Memory(bytes) => Ok(bytes),
        }
    }
}

/// A file descriptor that is written to without blocking the runtime.
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
        // The thread ends early only with an error.
        match (&mut writer.done).await {
            Ok(Err(error)) => Err(error),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn start_writer(&self) -> io::Result<Writer> {
        let fd = self.fd.try_clone()?;
        // The output is longer than a line, and a larger pipe wakes both ends less often. Fails harmlessly if it is no pipe.
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_BYTES);
        let (chunks, mut receiver) = mpsc::channel::<Bytes>(QUEUE);
        let (outcome, done) = oneshot::channel();
        let write = move || {
            let mut result = Ok(());
            while let Some(chunk) = receiver.blocking_recv() {
                result = write_all(&fd, &chunk);
                if result.is_err() {
                    break;
                }
            }
            drop(receiver);
            // The receiver has gone if the command is over already.
            let _ = outcome.send(result);
        };
        on_a_thread("mer-stdout", write)?;
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
    /// The file that is renamed to the target at the end; `None` if the target is not a regular file (`/dev/null`, a fifo).
    temporary: Option<PathBuf>,
}

impl OutputFile {
    /// Creates a file with the default mode (0666 less the umask); an existing file keeps its mode. Waits for the reader of a
    /// named pipe.
    ///
    /// # Errors
    /// It cannot be written (74).
    pub(crate) async fn create(target: &Path) -> Result<Self, CliError> {
        Self::with_mode(target, 0o666).await
    }

    /// Creates a file that only its owner can read (0600), for data that may contain passwords; an existing file keeps its mode.
    ///
    /// # Errors
    /// It cannot be written (74).
    pub(crate) async fn create_private(target: &Path) -> Result<Self, CliError> {
        Self::with_mode(target, 0o600).await
    }

    async fn with_mode(target: &Path, mode: u32) -> Result<Self, CliError> {
        let path = target.to_owned();
        // If the caller stops waiting, the file is dropped with the thread's answer, and the incomplete file is removed.
        apart("mer-file", move || Self::open(path, mode)).await.map_err(|error| unwritten(target, error))
    }

    /// Opens the temporary file, or a target that is not a regular file. May block.
    fn open(target: PathBuf, mode: u32) -> io::Result<Self> {
        let found = fs::metadata(&target).ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            let stream = Stream { fd: mer_files::open_output(&target)?.into(), writer: None };
            return Ok(Self { stream, target, temporary: None });
        }
        let mut name = target.clone().into_os_string();
        name.push(format!(".mer-{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let file = mer_files::own().write().create(mode).truncate().open(&temporary)?;
        if let Some(found) = found {
            // Keeps the permissions of the existing file. Fails harmlessly on a file system without modes.
            let _ = file.set_permissions(found.permissions());
        }
        let stream = Stream { fd: file.into(), writer: None };
        Ok(Self { stream, target, temporary: Some(temporary) })
    }

    async fn finish(mut self, commit: bool) -> Result<(), CliError> {
        self.write_rest().await.map_err(|error| self.failed(error))?;
        let Some(temporary) = self.temporary.as_deref().filter(|_| commit) else { return Ok(()) };
        fs::rename(temporary, &self.target).map_err(|error| self.failed(error))?;
        self.temporary = None;
        Ok(())
    }

    async fn write_rest(&mut self) -> io::Result<()> {
        let stream = Stream { fd: self.stream.fd.try_clone()?, writer: self.stream.writer.take() };
        stream.finish().await
    }

    /// Returns the error of a failed write. The reader of a fifo may have gone.
    fn failed(&self, error: io::Error) -> CliError {
        if error.kind() == io::ErrorKind::BrokenPipe { failed(error) } else { unwritten(&self.target, error) }
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // A failed run leaves no incomplete file.
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

/// Returns the error of a failed write to a stream.
fn failed(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CliError::new(Kind::ReaderGone, "the reader of the output has gone")
    } else {
        CliError::io("cannot write the output", error)
    }
}
