//! Lines from a pipe, read on the runtime's own thread: a thread that reads would have to be woken first, and then wake the
//! runtime.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::io::{ReadWriteFlags, preadv2, retry_on_intr};
use tokio::io::{Interest, unix::AsyncFd};

/// Bytes of one read: what a pipe holds.
const CHUNK: usize = 64 * 1024;
/// Makes `preadv2` read on, as pipes need.
const AT_POSITION: u64 = u64::MAX;

/// Lines from a pipe.
#[derive(Debug)]
pub(super) struct PipedLines {
    pipe: AsyncFd<OwnedFd>,
    chunk: Vec<u8>,
    /// Bytes that are no whole line yet.
    unread: Vec<u8>,
    at_end: bool,
}

impl PipedLines {
    /// Returns none if the descriptor cannot be waited for, or cannot be read without blocking. Nothing was read then. Must be
    /// called within a runtime.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Option<Self> {
        let pipe = register(fd.try_clone_to_owned().ok()?).ok()?;
        let mut lines = Self { pipe, chunk: vec![0; CHUNK], unread: Vec::new(), at_end: false };
        match read(lines.pipe.get_ref().as_fd(), &mut lines.chunk) {
            Ok(count) => lines.take(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A terminal, or a kernel before 6.4.
            Err(_) => return None,
        }
        Some(lines)
    }

    /// Returns the lines that are there, each with its end, and waits if there are none. None at the end of the pipe, whose last
    /// line may have no end. Safe to cancel.
    pub(super) async fn next(&mut self) -> io::Result<Option<VecDeque<Vec<u8>>>> {
        // A long line is looked at once.
        let mut searched = 0;
        loop {
            if let Some(last) = self.unread[searched..].iter().rposition(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(searched + last + 1);
                let whole = std::mem::replace(&mut self.unread, rest);
                return Ok(Some(whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()));
            }
            if self.at_end {
                let last = std::mem::take(&mut self.unread);
                return Ok((!last.is_empty()).then(|| VecDeque::from([last])));
            }
            searched = self.unread.len();
            let count = self.fill().await?;
            self.take(count);
        }
    }

    /// Reads once there is something. Returns the number of bytes in the chunk.
    async fn fill(&mut self) -> io::Result<usize> {
        let Self { pipe, chunk, .. } = self;
        loop {
            let mut ready = pipe.readable().await?;
            match ready.try_io(|pipe| read(pipe.get_ref().as_fd(), chunk)) {
                Ok(Ok(count)) => {
                    // The pipe is empty: the next wait makes no call before it.
                    if count < CHUNK {
                        ready.clear_ready();
                    }
                    return Ok(count);
                }
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }

    fn take(&mut self, count: usize) {
        self.at_end = count == 0;
        self.unread.extend_from_slice(&self.chunk[..count]);
    }
}

/// Reads what is there. Does not block, although the pipe itself may be in blocking mode: another process may share it, and
/// read what was there a moment ago.
fn read(pipe: BorrowedFd<'_>, chunk: &mut [u8]) -> io::Result<usize> {
    let flags = ReadWriteFlags::NOWAIT;
    Ok(retry_on_intr(|| preadv2(pipe, &mut [IoSliceMut::new(&mut *chunk)], AT_POSITION, flags))?)
}

#[expect(deprecated, reason = "sound here: an OwnedFd stays open as long as it is owned; its successor is unsafe")]
fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Write as _, pipe},
        os::fd::AsFd as _,
    };

    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_io().build().expect("runtime").block_on(work)
    }

    async fn all(mut lines: PipedLines) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(portion) = lines.next().await.expect("readable") {
            all.extend(portion.into_iter().map(|line| String::from_utf8(line).expect("text")));
        }
        all
    }

    #[test]
    fn lines_come_as_they_are_written() {
        block_on(async {
            let (reader, mut writer) = pipe().expect("a pipe");
            let Some(mut lines) = PipedLines::of(reader.as_fd()) else { return };
            for text in ["one\n", "two\nthree\n", "\n"] {
                writer.write_all(text.as_bytes()).expect("written");
                let portion = lines.next().await.expect("readable").expect("lines");
                assert_eq!(portion.iter().flatten().copied().collect::<Vec<u8>>(), text.as_bytes());
                assert_eq!(portion.len(), text.lines().count());
            }
            writer.write_all(b"no end").expect("written");
            drop(writer);
            assert_eq!(all(lines).await, ["no end"]);
        });
    }

    #[test]
    fn what_is_there_at_once_and_long_lines_are_whole() {
        block_on(async {
            let (reader, mut writer) = pipe().expect("a pipe");
            writer.write_all(b"first\n").expect("written");
            let Some(lines) = PipedLines::of(reader.as_fd()) else { return };
            let long = "x".repeat(3 * CHUNK);
            let sent = format!("{long}\nlast\n");
            let writer = std::thread::spawn(move || writer.write_all(sent.as_bytes()));
            assert_eq!(all(lines).await, ["first\n".to_owned(), format!("{long}\n"), "last\n".to_owned()]);
            writer.join().expect("no panic").expect("written");
        });
    }

    #[test]
    fn a_file_is_left_to_a_thread() {
        let file = tempfile::tempfile().expect("a file");
        (&file).write_all(b"ls\n").expect("written");
        block_on(async { assert!(PipedLines::of(file.as_fd()).is_none()) });
        let device = File::open("/dev/null").expect("a device");
        block_on(async { assert!(PipedLines::of(device.as_fd()).is_none()) });
    }
}
