//! Reads whole files.

use std::{
    io::{self, Read},
    path::Path,
};

use crate::{external, internal};

/// Maximum size of a file that a user or another program maintains. Settings, keys and certificates are far smaller.
pub const MAX_EXTERNAL_BYTES: u64 = 64 << 20;

/// Reads a file that MER wrote for itself.
///
/// # Errors
/// As [`crate::Options::open`], and errors of reading.
pub fn read_internal(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    internal().read().open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file that MER wrote for itself, as text.
///
/// # Errors
/// As [`read_internal`], and if it is not valid UTF-8.
pub fn read_internal_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    read_internal(path).and_then(text)
}

/// Reads a file that a user or another program maintains.
///
/// # Errors
/// As [`crate::Options::open`], errors of reading, and if it is longer than [`MAX_EXTERNAL_BYTES`].
pub fn read_external(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_bounded(external().read().open(path)?)
}

/// Reads to the end.
///
/// # Errors
/// Errors of reading, and [`io::ErrorKind::FileTooLarge`] beyond [`MAX_EXTERNAL_BYTES`].
pub(crate) fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_EXTERNAL_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_EXTERNAL_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {} MiB", MAX_EXTERNAL_BYTES >> 20),
        ));
    }
    Ok(bytes)
}

/// Reads a file that a user or another program maintains, as text.
///
/// # Errors
/// As [`read_external`], and if it is not valid UTF-8.
pub fn read_external_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    read_external(path).and_then(text)
}

/// Reads a file that a user or another program maintains, as text, with a replacement character for bytes that are not
/// UTF-8.
///
/// # Errors
/// As [`read_external`].
pub fn read_external_lossy(path: impl AsRef<Path>) -> io::Result<String> {
    read_external(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}
