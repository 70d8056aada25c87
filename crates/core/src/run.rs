//! Specifications of processes, and how processes end. `mer-meal` starts them.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, time::Duration};

use crate::{Bound, Protocol, Tokens};

/// The bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From the request to the end of the reply; for `oneshot`, to the end of the process.
    pub timeout: Bound,
    /// Without output, from the start of a process that stays up to its ready token.
    pub ready_timeout: Bound,
    /// From the start of a process that stays up to its ready token, with and without output.
    pub start_timeout: Bound,
    /// From TERM to KILL.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            timeout: Bound::secs(600),
            ready_timeout: Bound::secs(300),
            start_timeout: Bound::secs(3_600),
            grace: Duration::from_secs(5),
        }
    }
}

/// Specification of a process on this machine or another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec {
    /// Program and arguments, including the launchers. The program `mer` means the running binary.
    pub argv: Vec<String>,
    /// Working directory; that of the caller by default.
    pub cwd: Option<PathBuf>,
    /// Complete environment of the process. It may hold bytes that are not valid UTF-8.
    pub env: BTreeMap<OsString, OsString>,
    /// How requests are framed.
    pub protocol: Protocol,
    /// Marker lines of a process that stays up.
    pub tokens: Tokens,
    /// Bounds on the run.
    pub bounds: Bounds,
    /// Whether children that left its process group are left running after its end. Applies to this machine only.
    pub leave_children: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It died by the signal of this number.
    Signal(i32),
    /// Its end is not known, because the connection was lost.
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

/// Returns the name of a signal, such as `SIGKILL`, or `signal 40` for one without a name. Numbers are those of Linux.
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
