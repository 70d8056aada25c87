//! Errors before a model begins to work.

use std::{io, path::PathBuf};

use mer_core::{Classified, FailureKind, Shortage};
use thiserror::Error;

use crate::{LauncherError, RequestEnd, SlurmError, SshError};

/// A process that could not be started. Most often its registration is wrong: [`FailureKind::Config`].
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
    /// The file exists, but may not be executed.
    #[error("`{}` is not executable", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The file is executable by its mode, but is not a program that this machine can run.
    #[error("`{}` is neither a program for this machine nor a script: it has no `#!` line", path.display())]
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
    /// The working directory does not exist, or is not a directory.
    #[error("the working directory `{}` cannot be used", path.display())]
    BadWorkingDirectory {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An argument or a variable has a NUL byte in it, or the name of a variable is not valid.
    #[error("the environment variable or argument `{name}` cannot be passed to a program")]
    BadString {
        /// The argument, or the name of the variable.
        name: String,
    },
    /// The system refused to start it for another reason.
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
    /// The server cannot be used.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// A launcher whose processes are elsewhere started none.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// No job began on the cluster.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
}

impl Classified for StartError {
    fn failure_kind(&self) -> FailureKind {
        match (self, Shortage::of(self)) {
            (Self::Ssh(error), _) => error.failure_kind(),
            (Self::Slurm(error), _) => error.failure_kind(),
            (Self::Launcher(error), _) => error.failure_kind(),
            (_, Some(shortage)) => shortage.failure_kind(),
            // The registration is wrong.
            _ => FailureKind::Config,
        }
    }
}

/// An input that the model's protocol cannot carry: [`FailureKind::Input`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// The input for `lines` has more than one line.
    #[error("the protocol `lines` carries one line, and the input has a newline at byte {at}")]
    Newline {
        /// Offset of the newline, from 0.
        at: usize,
    },
    /// The input for `token` has the stop token as a line.
    #[error("line {line} of the input is the model's stopToken `{token}`, which would end the input there")]
    StopToken {
        /// Number of the line, from 1.
        line: usize,
        /// The token.
        token: String,
    },
}

/// A process that was to stay up and does not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WarmError {
    /// The process could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The process did not become ready. Its end says why: it died, timed out or was cancelled. Another attempt can succeed.
    #[error("the process did not become ready: {}", .0.cause)]
    NotReady(Box<RequestEnd>),
}
