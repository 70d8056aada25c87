//! Checks whether the kernel would execute a file, without executing it, for `ping`.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::{ffi::OsStringExt as _, fs::FileExt as _},
    path::{Path, PathBuf},
};

use super::resolve::{FIRST_LINE, explain, named_in};
use crate::StartError;

/// More program headers than any real program has.
const MOST_HEADERS: u16 = 256;
/// The type of the program header that names the loader.
const INTERPRETER: u32 = 3;

/// Refuses a script whose interpreter is missing, a program whose loader is missing, and a file that is neither.
///
/// # Errors
/// The error that starting it would have. A missing loader is named here; a start does not know its name.
pub(super) fn check(program: &Path) -> Result<(), StartError> {
    let mut head = Vec::new();
    // An executable file need not be readable.
    let Ok(file) = mer_files::external().read().open(program) else { return Ok(()) };
    if (&file).take(FIRST_LINE).read_to_end(&mut head).is_err() {
        return Ok(());
    }
    let interpreter = if head.starts_with(b"#!") {
        named_in(&head).map(PathBuf::from)
    } else if head.starts_with(b"\x7fELF") {
        loader(&file, &head)
    } else if others_are_executed() {
        None
    } else {
        return Err(explain(program, io::Error::from(rustix::io::Errno::NOEXEC)));
    };
    match interpreter {
        Some(interpreter) if !interpreter.exists() => {
            let interpreter = interpreter.to_string_lossy().escape_debug().to_string();
            Err(StartError::NoInterpreter { path: program.to_owned(), interpreter })
        }
        _ => Ok(()),
    }
}

/// The loader of a dynamic program. Only 64-bit little-endian programs are checked; others are left to the kernel.
fn loader(file: &File, head: &[u8]) -> Option<PathBuf> {
    // Class and byte order.
    if head.get(4..6) != Some(&[2, 1]) {
        return None;
    }
    let u16_at = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let start = u64::from_le_bytes(head.get(32..40)?.try_into().ok()?);
    let (size, count) = (u16_at(54)?, u16_at(56)?);
    for number in 0..count.min(MOST_HEADERS) {
        let mut header = [0_u8; 56];
        file.read_exact_at(&mut header, start.checked_add(u64::from(number) * u64::from(size))?).ok()?;
        if u32::from_le_bytes(header[..4].try_into().ok()?) != INTERPRETER {
            continue;
        }
        let offset = u64::from_le_bytes(header[8..16].try_into().ok()?);
        let length = u64::from_le_bytes(header[32..40].try_into().ok()?);
        let mut name = vec![0; usize::try_from(length).ok().filter(|length| *length <= 4096)?];
        file.read_exact_at(&mut name, offset).ok()?;
        name.truncate(name.iter().position(|byte| *byte == 0)?);
        return Some(std::ffi::OsString::from_vec(name).into());
    }
    None
}

/// Whether further kinds of programs are registered with the kernel (binfmt_misc): any file may be one of them.
fn others_are_executed() -> bool {
    let kinds = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    kinds.into_iter().any(|kind| kind.file_name() != "register" && kind.file_name() != "status")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_the_kernel_would_not_execute_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |content: &[u8]| {
            let path = folder.path().join("program");
            fs::write(&path, content).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
            check(&path)
        };
        for script in [b"#! /no/such/python -u\nprint()\n".as_slice(), b"#!/bin/sh\r\n"] {
            assert!(matches!(file(script), Err(StartError::NoInterpreter { .. })), "{script:?}");
        }
        assert!(file(b"#!/bin/sh\n").is_ok());
        if !others_are_executed() {
            assert!(matches!(file(b"print()\n"), Err(StartError::NotAProgram { .. })));
            assert!(matches!(file(b""), Err(StartError::NotAProgram { .. })));
        }
        let shell = fs::read("/bin/sh").expect("a shell");
        assert!(file(&shell).is_ok());
        // The same program, with a loader that is not there.
        if let Some(at) = shell.windows(5).position(|bytes| bytes == b"/lib6").or_else(|| position(&shell, b"/lib/ld"))
        {
            let mut other = shell.clone();
            other[at + 1] = b'X';
            assert!(matches!(file(&other), Err(StartError::NoInterpreter { .. })));
        }
        assert!(check(Path::new("/no/such/file")).is_ok(), "that is told by the search for it");
    }

    fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
        bytes.windows(part.len()).position(|found| found == part)
    }
}
