//! The exit codes of `mer`: a public contract, listed in `docs/reference/exit-codes.md`.

use mer_core::FailureKind;

use crate::signal::Signal;

/// Exit codes of `mer`. An empty type: the codes are its constants.
#[derive(Debug)]
pub(crate) enum ExitCode {}

impl ExitCode {
    /// Success.
    pub(crate) const OK: u8 = 0;
    /// The model failed: it exited with a code other than 0, or died by a signal.
    pub(crate) const MODEL_FAILED: u8 = 1;
    /// The command line is wrong.
    pub(crate) const USAGE: u8 = 64;
    /// The input was rejected: the model's protocol cannot carry it, or weights are not what they claim to be.
    pub(crate) const INPUT: u8 = 65;
    /// The model, server, version or run does not exist.
    pub(crate) const NOT_FOUND: u8 = 66;
    /// The host cannot be reached.
    pub(crate) const UNREACHABLE: u8 = 69;
    /// A bug in MER, including a panic.
    pub(crate) const BUG: u8 = 70;
    /// The database, or input and output, failed.
    pub(crate) const IO: u8 = 74;
    /// Busy: a lock, a full queue, or a wait that was used up.
    pub(crate) const BUSY: u8 = 75;
    /// The model broke its protocol.
    pub(crate) const PROTOCOL: u8 = 76;
    /// Refused: authentication, host key, changes that are not allowed.
    pub(crate) const REFUSED: u8 = 77;
    /// Settings, registration, or a schema that is not at this version.
    pub(crate) const CONFIG: u8 = 78;
    /// A time limit was exceeded.
    pub(crate) const TIMEOUT: u8 = 124;
    /// Ended by SIGHUP.
    pub(crate) const SIGHUP: u8 = 129;
    /// Ended by SIGINT (Ctrl-C).
    pub(crate) const SIGINT: u8 = 130;
    /// The reader of standard output has gone.
    pub(crate) const SIGPIPE: u8 = 141;
    /// Ended by SIGTERM.
    pub(crate) const SIGTERM: u8 = 143;

    /// Returns the exit code of a command that fails in this way.
    pub(crate) const fn of(kind: FailureKind) -> u8 {
        match kind {
            FailureKind::ModelFailed => Self::MODEL_FAILED,
            FailureKind::Usage => Self::USAGE,
            FailureKind::Input => Self::INPUT,
            FailureKind::NotFound => Self::NOT_FOUND,
            FailureKind::Unreachable => Self::UNREACHABLE,
            FailureKind::Bug => Self::BUG,
            FailureKind::Io => Self::IO,
            FailureKind::Busy => Self::BUSY,
            FailureKind::Protocol => Self::PROTOCOL,
            FailureKind::Refused => Self::REFUSED,
            FailureKind::Config => Self::CONFIG,
            FailureKind::Timeout => Self::TIMEOUT,
            FailureKind::Cancelled => Self::SIGINT,
            FailureKind::ReaderGone => Self::SIGPIPE,
        }
    }

    /// Returns the exit code for an outcome: 0 where nothing failed.
    pub(crate) const fn of_outcome(failure: Option<FailureKind>) -> u8 {
        match failure {
            Some(kind) => Self::of(kind),
            None => Self::OK,
        }
    }

    /// Returns the exit code of a command that this signal ended.
    pub(crate) const fn of_signal(signal: Signal) -> u8 {
        match signal {
            Signal::Interrupt => Self::SIGINT,
            Signal::Terminate => Self::SIGTERM,
            Signal::Hangup => Self::SIGHUP,
        }
    }
}
