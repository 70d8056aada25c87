//! Finds the file that a command names before anything is spawned, so that an error can name it.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use mer_core::RunSpec;
use rustix::{
    fs::{Access, AtFlags, CWD},
    io::Errno,
};

use crate::StartError;

/// Where programs are searched for if the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The command that means the running binary.
const SELF_NAME: &str = "mer";
/// Maximum length of the first line of a script that kernels read.
pub(super) const FIRST_LINE: u64 = 256;

/// Returns the file that the first word of a command means. `self_exe` is what `mer` means.
pub(super) fn resolve(spec: &RunSpec, self_exe: &Path) -> Result<PathBuf, StartError> {
    check_cwd(spec.cwd.as_deref())?;
    let command = spec.argv.first().filter(|command| !command.is_empty()).ok_or(StartError::NoCommand)?;
    if command == SELF_NAME {
        return Ok(self_exe.to_owned());
    }
    if command.contains('/') {
        let path = within(spec.cwd.as_deref(), Path::new(command));
        return match state(&path) {
            State::Executable => Ok(path),
            State::Other => Err(StartError::NotExecutable { path }),
            State::Missing => Err(StartError::NotFound {
                command: command.clone(),
                searched: format!("`{}`", path.parent().unwrap_or(Path::new("/")).display()),
            }),
        };
    }
    let search = spec.env.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    let mut unusable = None;
    let directories = search.as_bytes().split(|byte| *byte == b':').map(|bytes| Path::new(OsStr::from_bytes(bytes)));
    for directory in directories {
        // An empty element of PATH is the working directory, as in shells.
        let path = within(spec.cwd.as_deref(), &directory.join(command));
        match state(&path) {
            State::Executable => return Ok(path),
            State::Other => unusable = unusable.or(Some(path)),
            State::Missing => {}
        }
    }
    Err(match unusable {
        Some(path) => StartError::NotExecutable { path },
        None => StartError::NotFound { command: command.clone(), searched: format!("PATH `{}`", search.display()) },
    })
}

/// Makes a path absolute. `Command` would search PATH again for a bare name, and a relative program together with a
/// working directory means different files on different systems.
fn within(cwd: Option<&Path>, path: &Path) -> PathBuf {
    let path = cwd.map_or_else(|| path.to_owned(), |cwd| cwd.join(path));
    std::path::absolute(&path).unwrap_or(path)
}

fn check_cwd(cwd: Option<&Path>) -> Result<(), StartError> {
    let Some(path) = cwd else { return Ok(()) };
    let bad = |source| Err(StartError::BadWorkingDirectory { path: path.to_owned(), source });
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_dir() => bad(io::Error::from(Errno::NOTDIR)),
        Ok(_) => rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).or_else(|errno| bad(errno.into())),
        Err(source) => bad(source),
    }
}

enum State {
    Executable,
    Other,
    Missing,
}

fn state(path: &Path) -> State {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => match rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => State::Executable,
            Err(_) => State::Other,
        },
        // A directory, or a path through a folder that this user may not enter.
        Ok(_) => State::Other,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => State::Other,
        Err(_) => State::Missing,
    }
}

/// Explains an error of the kernel for a file that exists and is executable.
pub(super) fn explain(path: &Path, source: io::Error) -> StartError {
    let path = path.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::NOEXEC) => StartError::NotAProgram { path },
        Some(Errno::ACCESS | Errno::PERM) => StartError::NotExecutable { path },
        // The file exists, so that its interpreter is what is missing.
        Some(Errno::NOENT | Errno::NOTDIR) if path.exists() => {
            let interpreter = interpreter(&path).unwrap_or_else(|| "its dynamic loader".to_owned());
            StartError::NoInterpreter { path, interpreter }
        }
        _ => StartError::Spawn { path, source },
    }
}

/// The interpreter in the `#!` line of a script.
fn interpreter(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    mer_files::external().read().open(path).ok()?.take(FIRST_LINE).read_to_end(&mut head).ok()?;
    // Escaped, to show a carriage return at its end, which is the usual reason in scripts from Windows.
    named_in(&head).map(|name| name.to_string_lossy().escape_debug().to_string())
}

/// The interpreter that the beginning of a file names, if the file is a script.
pub(super) fn named_in(head: &[u8]) -> Option<&OsStr> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty());
    word.map(OsStr::from_bytes)
}
