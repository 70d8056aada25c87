//! How a remote process ended, from what was received.

use mer_core::{Exit, signal_name};

use crate::exit_marker::exit_of_shell;

/// What was received about the end of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExitEvidence {
    /// The status in the exit marker: the `$?` of the remote shell.
    pub(super) mark: Option<i32>,
    /// The name of a signal from the server.
    pub(super) signal: Option<String>,
    /// The exit status from libssh2, which is 0 if the server sent none.
    pub(super) code: i32,
}

/// Why the exit is not known although the connection holds.
const NO_STATUS: &str = "the server did not report an exit status";

impl ExitEvidence {
    /// The exit, or why it is not known. A 0 from libssh2 alone proves nothing.
    pub(super) fn exit(&self) -> Result<Exit, String> {
        let by_name = self.signal.as_deref().map(|name| (name, signal_number(name)));
        match (self.mark, by_name) {
            (_, Some((_, Some(signal)))) => Ok(Exit::Signal(signal)),
            (Some(status), _) if status != 0 => Ok(exit_of_shell(status)),
            (_, Some((name, None))) => {
                let name = name.chars().take(60).collect::<String>();
                Err(format!("the server reports an unknown signal: `{}`", name.escape_debug()))
            }
            (_, None) if self.code != 0 => Ok(Exit::Code(self.code)),
            (Some(_), None) => Ok(Exit::Code(0)),
            (None, None) => Err(NO_STATUS.to_owned()),
        }
    }
}

/// The number of a signal, which the server names without `SIG`.
fn signal_number(name: &str) -> Option<i32> {
    let name = name.split('@').next().unwrap_or(name);
    (1..32).find(|number| signal_name(*number).strip_prefix("SIG") == Some(name))
}

#[cfg(test)]
mod tests {
    use mer_core::Exit;

    use super::ExitEvidence;

    fn evidence(mark: Option<i32>, signal: Option<&str>, code: i32) -> Result<Exit, String> {
        ExitEvidence { mark, signal: signal.map(str::to_owned), code }.exit()
    }

    #[test]
    fn a_success_is_told_by_the_mark_and_denied_by_nothing() {
        assert_eq!(evidence(Some(0), None, 0), Ok(Exit::Code(0)));
        assert_eq!(evidence(Some(0), None, 3), Ok(Exit::Code(3)));
        assert_eq!(evidence(Some(0), Some("SEGV"), 0), Ok(Exit::Signal(11)));
        assert!(evidence(None, None, 0).is_err());
        assert!(evidence(Some(0), Some("SIG@example.com"), 0).is_err());
        assert!(evidence(None, Some("SIG@example.com"), 0).is_err());
    }

    #[test]
    fn a_failure_is_told_by_either() {
        assert_eq!(evidence(Some(5), None, 0), Ok(Exit::Code(5)));
        assert_eq!(evidence(Some(5), None, 1), Ok(Exit::Code(5)));
        assert_eq!(evidence(None, None, 7), Ok(Exit::Code(7)));
        assert_eq!(evidence(None, Some("KILL"), 0), Ok(Exit::Signal(9)));
        assert_eq!(evidence(None, Some("BUS@example.com"), 0), Ok(Exit::Signal(7)));
    }

    #[test]
    fn a_signal_has_its_name_in_every_shell() {
        for (status, signal) in [(135, 7), (152, 24), (143, 15), (256 + 7, 7), (384 + 24, 24)] {
            assert_eq!(evidence(Some(status), Some("SIG@openssh.com"), 0), Ok(Exit::Signal(signal)));
        }
        for code in [1, 128, 160, 200, 255] {
            assert_eq!(evidence(Some(code), None, code), Ok(Exit::Code(code)));
        }
    }
}
