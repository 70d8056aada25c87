//! Errors before a model runs.

use std::{io, path::PathBuf};

use mer_core::{ExitCode, Shortage};
use thiserror::Error;

use crate::{RequestEnd, SshError};

/// A process could not be started. In most cases the registry entry is wrong: see [`StartError::exit_code`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command is empty.
    #[error("the command names no program")]
    NoCommand,
    /// The program does not exist.
    #[error("the command `{command}` does not exist: looked in {searched}")]
    NotFound {
        /// The command as registered.
        command: String,
        /// Where it was searched for.
        searched: String,
    },
    /// The file exists, and may not be executed.
    #[error("`{}` is not executable", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The file is executable by its mode, and the machine cannot run it.
    #[error("`{}` is no program for this machine, and no script: it has no `#!` line", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
    },
    /// The first line of a script, or the header of a program, names an interpreter that does not exist.
    #[error("`{}` needs the interpreter `{interpreter}`, which does not exist", path.display())]
    NoInterpreter {
        /// The script or program.
        path: PathBuf,
        /// The interpreter that it names.
        interpreter: String,
    },
    /// The working directory does not exist, or is no directory.
    #[error("the working directory `{}` cannot be used", path.display())]
    BadWorkingDirectory {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An argument or a variable contains a NUL byte, or the name of a variable is empty or contains `=`.
    #[error("the environment variable or argument `{name}` cannot be passed to a program")]
    BadString {
        /// The argument, or the name of the variable.
        name: String,
    },
    /// The system refused for another reason.
    #[error("`{}` could not be started", path.display())]
    Spawn {
        /// The program.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The watcher, which ends models when `mer` dies, could not be started. No model is started without it.
    #[error("the watcher `{}` could not be started", path.display())]
    Watcher {
        /// The program.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The server could not be used.
    #[error(transparent)]
    Ssh(#[from] SshError),
}

impl StartError {
    /// The exit code of `mer`: 75 for a shortage, SSH's own codes, and 78 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self, Shortage::of(self)) {
            (Self::Ssh(error), _) => error.exit_code(),
            (_, Some(shortage)) => shortage.exit_code(),
            _ => ExitCode::CONFIG,
        }
    }
}

/// An input that the model's protocol cannot carry (exit code 65).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// The input has more than one line, and the protocol is `lines`.
    #[error("the protocol `lines` carries one line, and the input has a newline at byte {at}")]
    Newline {
        /// The byte offset of the newline, from 0.
        at: usize,
    },
    /// A line of the input is the stop token, and the protocol is `token`.
    #[error("line {line} of the input is the model's stopToken `{token}`, which would end the input there")]
    StopToken {
        /// The line number, from 1.
        line: usize,
        /// The token.
        token: String,
    },
}

/// A process that is to stay up could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WarmError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The process was started and did not become ready; its end has the cause. The start may be tried again.
    #[error("the process did not become ready: {}", .0.cause)]
    NotReady(Box<RequestEnd>),
}
