//! Reading whole files.

use std::{
    io::{self, Read as _},
    path::Path,
};

use crate::{given, own};

/// Maximum number of bytes of a file that a person or another program keeps: settings, keys and certificates are far
/// shorter, and what is longer is
/// something else.
pub const LARGEST_GIVEN: u64 = 64 << 20;

/// All of a file of MER's own.
///
/// # Errors
/// As [`crate::Options::open`], and those of reading.
pub fn read_own(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    own().read().open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a file of MER's own, as text.
///
/// # Errors
/// As [`read_own`], and where it is no UTF-8.
pub fn read_own_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    read_own(path).and_then(text)
}

/// All of a file that a person or another program keeps.
///
/// # Errors
/// As [`crate::Options::open`], those of reading, and where it is longer than [`LARGEST_GIVEN`].
pub fn read_given(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    given().read().open(path)?.take(LARGEST_GIVEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_GIVEN {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {} MiB", LARGEST_GIVEN >> 20),
        ));
    }
    Ok(bytes)
}

/// All of a file that a person or another program keeps, as text.
///
/// # Errors
/// As [`read_given`], and where it is no UTF-8.
pub fn read_given_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    read_given(path).and_then(text)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}
