//! What can go wrong before a model is at work.

use std::{io, path::PathBuf};

use mer_core::{ExitCode, Shortage};
use thiserror::Error;

use crate::{RequestEnd, SshError};

/// A process that could not be started. Most of these are matters of registration: see [`StartError::exit_code`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command is empty.
    #[error("the command names no program")]
    NoCommand,
    /// There is no such program.
    #[error("the command `{command}` does not exist: looked in {searched}")]
    NotFound {
        /// As registered.
        command: String,
        /// Where it was looked for.
        searched: String,
    },
    /// There is a file, and it may not be executed.
    #[error("`{}` is not executable", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The file is executable by its mode, and nothing this machine can run.
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
        /// What it asks for.
        interpreter: String,
    },
    /// The working directory does not exist, or is none.
    #[error("the working directory `{}` cannot be used", path.display())]
    BadWorkingDirectory {
        /// The directory.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// An argument or a variable has a NUL byte in it, or a variable has a name that no environment can hold.
    #[error("the environment variable or argument `{name}` cannot be handed to a program")]
    BadString {
        /// The argument, or the variable's name.
        name: String,
    },
    /// The kernel refused for another reason.
    #[error("`{}` could not be started", path.display())]
    Spawn {
        /// The program.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The watcher, which ends models when `mer` dies, could not be started: so no model is.
    #[error("the watcher `{}` could not be started", path.display())]
    Watcher {
        /// The program.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The server where it was to run could not be used.
    #[error(transparent)]
    Ssh(#[from] SshError),
}

impl StartError {
    /// The exit code of `mer` for it: 75 where something was short, 78 for what is a matter of registration, and SSH's own.
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
    /// More than one line for `lines`.
    #[error("the protocol `lines` carries one line, and the input has a newline at byte {at}")]
    Newline {
        /// Where, from 0.
        at: usize,
    },
    /// The stop token as a line of the input for `token`.
    #[error("line {line} of the input is the model's stopToken `{token}`, which would end the input there")]
    StopToken {
        /// Which line, from 1.
        line: usize,
        /// The token.
        token: String,
    },
}

/// A process that was to stay up, and is not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WarmError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It was started, and did not become ready: its end says why (died, timeout, cancelled). It may be tried again.
    #[error("the process did not become ready: {}", .0.cause)]
    NotReady(Box<RequestEnd>),
}
