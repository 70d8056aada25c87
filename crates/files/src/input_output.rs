//! What a person names: anything that can be read or written.

use std::{
    fs::File,
    io::{self, Read as _},
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

use crate::{FileKind, LARGEST_GIVEN, file_kind::explained};

/// Opens an input. A named pipe is opened at once, whether it has a writer or not: the first read waits for one, with
/// [`Input::wait`] before it. On a file system that does not answer this may wait all the same.
///
/// # Errors
/// What the system says, or that it is a folder.
pub fn open_input(path: &Path) -> io::Result<Input> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place: without NONBLOCK a pipe would wait for its writer here"
    )]
    let file =
        File::options().read(true).custom_flags(flags).open(path).map_err(|error| explained(path, true, error))?;
    let kind = FileKind::of(file.metadata()?.file_type());
    if kind == FileKind::Folder {
        return Err(folder());
    }
    // From here on a read waits, as it does for everybody.
    fcntl_setfl(&file, fcntl_getfl(&file)? & !OFlags::NONBLOCK)?;
    Ok(Input { fd: file.into(), is_pipe: kind == FileKind::Pipe })
}

/// An input that has been opened.
#[derive(Debug)]
pub struct Input {
    fd: OwnedFd,
    is_pipe: bool,
}

impl Input {
    /// Waits for the first writer of a named pipe: until there has been one, a read would take the pipe for an empty one.
    /// Nothing, where it is no longer wanted meanwhile.
    ///
    /// # Errors
    /// The system cannot wait.
    pub fn wait(self, is_wanted: impl Fn() -> bool) -> io::Result<Option<OwnedFd>> {
        /// Between two looks whether it is still wanted.
        const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
        while self.is_pipe && is_wanted() {
            match poll(&mut [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN)], Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(is_wanted().then_some(self.fd))
    }
}

/// Opens an output that exists and is no regular file: a device, or a named pipe, which waits for its reader here.
///
/// # Errors
/// What the system says, or that it is a folder.
pub fn open_output(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "this is the place: the caller has a thread for it")]
    let opened = File::options().write(true).custom_flags(flags).open(path);
    opened.map_err(|error| if error.kind() == io::ErrorKind::IsADirectory { folder() } else { error })
}

fn folder() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")
}

/// All that comes out of a pipe, such as a shell's `<(…)`, within a bound. The reading is left behind where it takes longer.
///
/// # Errors
/// What the system says; or that it took too long, or was too long.
pub fn read_pipe_within(path: &Path, bound: Duration) -> io::Result<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    let path = path.to_owned();
    let read = move || {
        let read = || {
            let mut bytes = Vec::new();
            if let Some(fd) = open_input(&path)?.wait(|| true)? {
                File::from(fd).take(LARGEST_GIVEN).read_to_end(&mut bytes)?;
            }
            Ok(bytes)
        };
        // The receiver is gone where it took too long.
        let _ = tell.send(read());
    };
    thread::Builder::new().name("mer-read".to_owned()).spawn(read)?;
    told.recv_timeout(bound).unwrap_or_else(|_| {
        let told = format!("it is a named pipe, and its writer was not done within {} s", bound.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, told))
    })
}
