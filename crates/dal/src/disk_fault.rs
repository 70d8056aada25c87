//! What the system says where a file cannot be written: a fact of an error, wherever it stands among the causes.

use std::{error::Error, io};

use mer_core::Shortage;

/// Why the system refuses to write, other than a bug or a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// The process or the machine is short of a resource.
    Shortage(Shortage),
    /// ENOSPC or EDQUOT: the disk, or the quota of this user, is full.
    Full,
    /// EROFS: the file system is mounted read-only.
    ReadOnly,
    /// EACCES or EPERM: this user may not write there.
    Denied,
}

impl DiskFault {
    /// Returns the first fault in the chain of causes. The database engine passes on text only, so the texts are searched
    /// for the system's numbers too.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(shortage) = Shortage::of(error) {
            return Some(Self::Shortage(shortage));
        }
        let text = texts(error);
        if text.contains("(os error 28)") || text.contains("(os error 122)") {
            Some(Self::Full)
        } else if text.contains("(os error 30)") {
            Some(Self::ReadOnly)
        } else if text.contains("(os error 13)") || text.contains("(os error 1)") {
            Some(Self::Denied)
        } else {
            None
        }
    }
}

/// Joins the texts of an error and its causes, with the system's number of each [`io::ErrorKind`] that lacks one.
fn texts(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    let mut text = String::new();
    while let Some(error) = cause {
        if let Some(kind) = error.downcast_ref::<io::Error>().map(io::Error::kind) {
            match kind {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => text.push_str("(os error 28)"),
                io::ErrorKind::ReadOnlyFilesystem => text.push_str("(os error 30)"),
                io::ErrorKind::PermissionDenied => text.push_str("(os error 13)"),
                _ => {}
            }
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
