//! Shortages of resources of the machine, detected by one rule for all crates.
//!
//! A shortage is not an error in the registration, the database or MER: the same command may succeed a moment later. Its kind
//! of failure is therefore [`FailureKind::Busy`].

use std::{error::Error, io};

use thiserror::Error as ThisError;

use crate::FailureKind;

/// A resource that a process did not get because a limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// EMFILE: open files of this process.
    OpenFiles,
    /// ENFILE: open files of the whole machine.
    SystemFiles,
    /// EAGAIN when a process or thread is started: processes and threads of this user or its control group.
    Processes,
    /// ENOMEM.
    Memory,
    /// EFBIG: the size of a file.
    FileSize,
}

/// Number of EAGAIN on Linux.
const AGAIN: i32 = 11;

/// EAGAIN when a process or thread was started. Recognised by its type, or by its text if only that is passed on.
#[derive(Debug, ThisError)]
#[error("{0}{NO_MORE}")]
struct NotStarted(io::Error);

const NO_MORE: &str = ": no more processes or threads";

/// Marks an error of starting a process or thread, for `map_err`. EAGAIN means a shortage there but not elsewhere, such as on
/// a pipe, so only the code that starts something can tell. Other errors stay as they are.
#[must_use]
pub fn not_started(error: io::Error) -> io::Error {
    match Shortage::of_start(&error) {
        Some(Shortage::Processes) => io::Error::new(error.kind(), NotStarted(error)),
        _ => error,
    }
}

impl Shortage {
    /// Returns the shortage for an error number of Linux. EAGAIN is none here, because it means something else on a pipe or a
    /// socket; see [`not_started`].
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

    /// Returns the shortage for which a process or thread could not be started.
    fn of_start(error: &io::Error) -> Option<Self> {
        match error.raw_os_error() {
            Some(AGAIN) => Some(Self::Processes),
            _ => Self::of(error),
        }
    }

    /// Returns the shortage in an error or its causes. Texts are searched too, because many libraries pass on only the text of a
    /// system error.
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

    /// Returns the shortage in a text, by the error number in it: `(os error 24)` or `Os { code: 24`.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        if text.contains(NO_MORE) {
            return Some(Self::Processes);
        }
        numbers(text).find_map(Self::of_errno)
    }

    /// Returns the shortage in a text about a thread or process that could not be started.
    #[must_use]
    pub fn of_start_text(text: &str) -> Option<Self> {
        numbers(text).find_map(|number| if number == AGAIN { Some(Self::Processes) } else { Self::of_errno(number) })
    }

    /// Returns the missing resource, as the object of a sentence.
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

    /// Returns the kind of a failure that this causes. A file does not get smaller by trying again, so [`FileSize`] is not
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

/// Returns the error numbers in a text, in the two forms in which Rust prints system errors.
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
