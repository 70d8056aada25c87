//! What is to be run, under which bounds, and how it ended. Data only: `mer-meal` turns it into processes.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, time::Duration};

use crate::{Bound, Protocol, Tokens};

/// The bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From the request to the whole reply (`oneshot`: to the end of the process).
    pub timeout: Bound,
    /// From the start of a process that stays up to its ready token.
    pub ready_timeout: Bound,
    /// From TERM to KILL.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { timeout: Bound::secs(600), ready_timeout: Bound::secs(300), grace: Duration::from_secs(5) }
    }
}

/// One process to be started: the same for this machine and for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec {
    /// Program and arguments, the launcher in front included. `mer` as the program means this very binary.
    pub argv: Vec<String>,
    /// The working directory; the caller's own where there is none.
    pub cwd: Option<PathBuf>,
    /// The whole environment of the process. What the caller's own has in it need be no text.
    pub env: BTreeMap<OsString, OsString>,
    /// How requests are framed.
    pub protocol: Protocol,
    /// The marker lines of a process that stays up.
    pub tokens: Tokens,
    /// How long it may take.
    pub bounds: Bounds,
    /// Whether children that left its process group go on when it has ended. On this machine only.
    pub leave_children: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It died by the signal of this number.
    Signal(i32),
    /// It is not known, because the connection to it was lost.
    Lost,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "died by {}", signal_name(*signal)),
            Self::Lost => f.write_str("was lost"),
        }
    }
}

/// The name of a signal, such as `SIGKILL`, or `signal 40` where it has none. Numbers are Linux's.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal).ok().and_then(|n| n.checked_sub(1)).and_then(|n| NAMES.get(n));
    name.map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::signal_name;

    #[test]
    fn signals_have_their_linux_names() {
        for (number, name) in [(1, "SIGHUP"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM"), (31, "SIGSYS")] {
            assert_eq!(signal_name(number), name);
        }
        assert_eq!(signal_name(0), "signal 0");
        assert_eq!(signal_name(40), "signal 40");
    }
}
