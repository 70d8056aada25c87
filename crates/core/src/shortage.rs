//! Resources that a machine can run short of, and how a shortage is recognised in an error: one rule for every crate.
//!
//! A shortage is no fault of the registration, the database or MER: the same command may succeed a moment later. So the
//! failure is [`FailureKind::Busy`], whatever the operation was.

use std::{error::Error, io};

use thiserror::Error as ThisError;

use crate::FailureKind;

/// A resource that a process did not get because a limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// EMFILE: the open files of this process.
    OpenFiles,
    /// ENFILE: the open files of all processes of the machine.
    SystemFiles,
    /// EAGAIN of a fork or of a new thread: the processes and threads of this user, or of its control group.
    Processes,
    /// ENOMEM.
    Memory,
    /// EFBIG: the size of one file that this process writes.
    FileSize,
}

/// EAGAIN on Linux.
const AGAIN: i32 = 11;

/// EAGAIN of a start. Its type tells it from the EAGAIN of a pipe, and its text does where only the text is passed on.
#[derive(Debug, ThisError)]
#[error("{0}{NO_MORE}")]
struct NotStarted(io::Error);

const NO_MORE: &str = ": no more processes or threads";

/// Marks the error of a process or thread that could not be started, for `map_err`: EAGAIN means a shortage there, and
/// nowhere else. Any other error is returned as it is.
#[must_use]
pub fn not_started(error: io::Error) -> io::Error {
    match Shortage::of_start(&error) {
        Some(Shortage::Processes) => io::Error::new(error.kind(), NotStarted(error)),
        _ => error,
    }
}

impl Shortage {
    /// Returns the shortage that an errno of Linux means. EAGAIN is not among them, because it means something else for a
    /// pipe or a socket: see [`not_started`].
    #[must_use]
    pub const fn of_errno(errno: i32) -> Option<Self> {
        match errno {
            24 => Some(Self::OpenFiles),
            23 => Some(Self::SystemFiles),
            12 => Some(Self::Memory),
            27 => Some(Self::FileSize),
            _ => None,
        }
    }

    /// Returns the shortage because of which a process or a thread could not be started.
    fn of_start(error: &io::Error) -> Option<Self> {
        match error.raw_os_error() {
            Some(AGAIN) => Some(Self::Processes),
            _ => Self::of(error),
        }
    }

    /// Returns the first shortage in the chain of an error's causes. Many libraries pass on the system's error as text only,
    /// so the texts are searched too.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let found = error.downcast_ref::<io::Error>().and_then(Self::of_io);
            let found = found.or_else(|| Self::of_text(&error.to_string()));
            if found.is_some() {
                return found;
            }
            next = error.source();
        }
        None
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        if error.get_ref().is_some_and(|inner| inner.is::<NotStarted>()) {
            return Some(Self::Processes);
        }
        match error.kind() {
            io::ErrorKind::OutOfMemory => Some(Self::Memory),
            io::ErrorKind::FileTooLarge => Some(Self::FileSize),
            _ => error.raw_os_error().and_then(Self::of_errno),
        }
    }

    /// Returns the shortage that a text mentions by the system's number: `(os error 24)` or `Os { code: 24`.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        if text.contains(NO_MORE) {
            return Some(Self::Processes);
        }
        numbers(text).find_map(Self::of_errno)
    }

    /// As [`Shortage::of_text`], for the text of a thread or process that could not be started: EAGAIN counts as well.
    #[must_use]
    pub fn of_start_text(text: &str) -> Option<Self> {
        numbers(text).find_map(|number| if number == AGAIN { Some(Self::Processes) } else { Self::of_errno(number) })
    }

    /// Returns the name of the resource, as the object of a sentence.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::OpenFiles => "open files",
            Self::SystemFiles => "open files of the whole machine",
            Self::Processes => "processes and threads",
            Self::Memory => "memory",
            Self::FileSize => "room in one file",
        }
    }

    /// Returns the kind of a failure that this causes. Trying again does not make a file smaller, so [`FileSize`] is not
    /// [`Busy`].
    ///
    /// [`FileSize`]: Self::FileSize
    /// [`Busy`]: FailureKind::Busy
    #[must_use]
    pub const fn failure_kind(self) -> FailureKind {
        match self {
            Self::FileSize => FailureKind::Io,
            _ => FailureKind::Busy,
        }
    }
}

/// Returns the system's numbers in a text, in the two forms in which Rust prints an [`io::Error`].
fn numbers(text: &str) -> impl Iterator<Item = i32> {
    let after = |mark: &'static str| text.match_indices(mark).map(move |(at, _)| &text[at + mark.len()..]);
    let number = |rest: &str| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok()
    };
    after("(os error ").chain(after("Os { code: ")).filter_map(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Box<dyn Error + Send + Sync>);

    fn os(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn a_shortage_is_found_wherever_it_stands() {
        for (errno, shortage) in
            [(24, Shortage::OpenFiles), (23, Shortage::SystemFiles), (12, Shortage::Memory), (27, Shortage::FileSize)]
        {
            let texts = [os(errno).to_string(), format!("{:?}", os(errno))];
            assert_eq!(Shortage::of(&os(errno)), Some(shortage));
            assert_eq!(Shortage::of(&Outer(Box::new(os(errno)))), Some(shortage));
            assert_eq!(Shortage::of(&not_started(os(errno))), Some(shortage));
            for text in texts {
                assert_eq!(Shortage::of(&Outer(text.clone().into())), Some(shortage), "{text}");
                assert_eq!(Shortage::of_start_text(&text), Some(shortage), "{text}");
            }
        }
    }

    /// EAGAIN of a pipe is no shortage of processes.
    #[test]
    fn what_is_short_for_a_start_is_not_short_for_a_pipe() {
        assert_eq!(Shortage::of(&os(AGAIN)), None);
        assert_eq!(Shortage::of(&not_started(os(AGAIN))), Some(Shortage::Processes));
        assert_eq!(Shortage::of(&Outer(Box::new(not_started(os(AGAIN))))), Some(Shortage::Processes));
        assert_eq!(Shortage::of_text(&format!("`pass`: {}", not_started(os(AGAIN)))), Some(Shortage::Processes));
        assert_eq!(Shortage::of_start_text(&format!("{:?}", os(AGAIN))), Some(Shortage::Processes));
        for errno in [2, 13, 28, 111] {
            assert_eq!((Shortage::of(&os(errno)), Shortage::of(&not_started(os(errno)))), (None, None), "{errno}");
        }
        assert_eq!(Shortage::of_text("(os error x) Os { code: "), None);
    }

    #[test]
    fn every_shortage_but_the_size_of_a_file_may_pass() {
        use Shortage::{FileSize, Memory, OpenFiles, Processes, SystemFiles};
        for shortage in [OpenFiles, SystemFiles, Processes, Memory] {
            assert_eq!(shortage.failure_kind(), FailureKind::Busy);
        }
        assert_eq!(FileSize.failure_kind(), FailureKind::Io);
    }
}
