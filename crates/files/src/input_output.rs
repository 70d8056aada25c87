//! Inputs and outputs that the user names: files, pipes and devices. Using them may block.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};

use crate::{FileKind, file_kind::explained, read_file::read_bounded};

/// Opens an input. A named pipe is opened at once, even without a writer; call [`Input::wait`] before the first read. May
/// still block on a file system that does not respond.
///
/// # Errors
/// Errors of the system, or the path is a folder.
pub fn open_input(path: &Path) -> io::Result<Input> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "without NONBLOCK, opening a pipe would block until it has a writer")]
    let file =
        File::options().read(true).custom_flags(flags).open(path).map_err(|error| explained(path, true, error))?;
    let kind = FileKind::of(file.metadata()?.file_type());
    if kind == FileKind::Folder {
        return Err(folder());
    }
    // Reads block from here on, as usual.
    fcntl_setfl(&file, fcntl_getfl(&file)? & !OFlags::NONBLOCK)?;
    Ok(Input { fd: file.into(), is_pipe: kind == FileKind::Pipe })
}

/// An open input.
#[derive(Debug)]
pub struct Input {
    fd: OwnedFd,
    is_pipe: bool,
}

impl Input {
    /// Waits for the first writer of a named pipe: before there was one, a read reports the end of the file. Returns nothing
    /// if `is_wanted` becomes false meanwhile; it is called once a second.
    ///
    /// # Errors
    /// The system cannot wait.
    pub fn wait(self, is_wanted: impl Fn() -> bool) -> io::Result<Option<OwnedFd>> {
        /// Pause between two calls of `is_wanted`.
        const PAUSE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
        while self.is_pipe && is_wanted() {
            match poll(&mut [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN)], Some(&PAUSE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(is_wanted().then_some(self.fd))
    }
}

/// Opens an existing output that is no regular file: a device, or a named pipe, for which it blocks until there is a reader.
///
/// # Errors
/// Errors of the system, or the path is a folder.
pub fn open_output(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "it may block, and callers have a thread for it")]
    let opened = File::options().write(true).custom_flags(flags).open(path);
    opened.map_err(|error| if error.kind() == io::ErrorKind::IsADirectory { folder() } else { error })
}

fn folder() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")
}

/// Reads a pipe to its end, such as a shell's `<(…)`, but at most [`crate::MAX_EXTERNAL_BYTES`]. The thread that reads is
/// abandoned if it takes longer than `bound`.
///
/// # Errors
/// Errors of the system, [`io::ErrorKind::TimedOut`], and [`io::ErrorKind::FileTooLarge`] for a longer pipe.
pub fn read_pipe_within(path: &Path, bound: Duration) -> io::Result<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    let read = move || {
        let read = || match open_input(&path)?.wait(|| true)? {
            Some(fd) => read_bounded(File::from(fd)),
            None => Ok(Vec::new()),
        };
        // The receiver is gone if it took too long.
        let _ = sender.send(read());
    };
    thread::Builder::new().name("mer-read".to_owned()).spawn(read)?;
    receiver.recv_timeout(bound).unwrap_or_else(|_| {
        let message = format!("it is a named pipe, and its writer was not done within {} s", bound.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}
