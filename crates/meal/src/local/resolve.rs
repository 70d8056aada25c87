//! Finding the file that a command names, before anything is spawned, so that an error can name it.

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

/// Where programs are looked for when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The command that means this very binary.
const SELF_NAME: &str = "mer";
/// The longest first line of a script that kernels look at.
pub(super) const FIRST_LINE: u64 = 256;

/// The file that the first word of a command means. `self_exe` is what `mer` means.
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
        // An empty element is the working directory, as for every program that searches PATH.
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

/// Makes a path absolute: `Command` would search for a bare name once more, and a relative program together with a
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
        // A directory, or a path through a folder that we may not enter.
        Ok(_) => State::Other,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => State::Other,
        Err(_) => State::Missing,
    }
}

/// What a refusal by the kernel means for a file that was found and may be executed.
pub(super) fn explain(path: &Path, source: io::Error) -> StartError {
    let path = path.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::NOEXEC) => StartError::NotAProgram { path },
        Some(Errno::ACCESS | Errno::PERM) => StartError::NotExecutable { path },
        // The file was there a moment ago: it is its interpreter that is not.
        Some(Errno::NOENT | Errno::NOTDIR) if path.exists() => {
            let interpreter = interpreter(&path).unwrap_or_else(|| "its dynamic loader".to_owned());
            StartError::NoInterpreter { path, interpreter }
        }
        _ => StartError::Spawn { path, source },
    }
}

/// The interpreter that a script names in its `#!` line.
fn interpreter(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    mer_files::external().read().open(path).ok()?.take(FIRST_LINE).read_to_end(&mut head).ok()?;
    // A carriage return at its end is the classic of scripts edited elsewhere: shown, since it is the reason.
    named_in(&head).map(|name| name.to_string_lossy().escape_debug().to_string())
}

/// The interpreter that the beginning of a file names, where it is that of a script.
pub(super) fn named_in(head: &[u8]) -> Option<&OsStr> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty());
    word.map(OsStr::from_bytes)
}
