//! How a faulty server behaves.

use std::path::PathBuf;

use russh::{MethodKind, MethodSet};

/// The behaviour of each connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Conduct {
    pub(super) password: Option<String>,
    pub(super) keyboard_interactive: Option<String>,
    pub(super) no_keys: bool,
    pub(super) key_first: bool,
    pub(super) authentication_hangs: bool,
    pub(super) channels: Option<usize>,
    pub(super) window_stops: bool,
    pub(super) one_byte: bool,
    pub(super) exit_report: ExitReport,
    pub(super) after_eof: Vec<u8>,
    pub(super) nonce: String,
    pub(super) home: PathBuf,
}

/// How the end of a command is reported.
#[derive(Debug, Clone, Default)]
pub(super) enum ExitReport {
    #[default]
    Truthful,
    Signal(String),
    None,
}

impl Conduct {
    /// The methods that are offered, before or after a key was accepted.
    pub(super) fn methods(&self, key_accepted: bool) -> MethodSet {
        let others = !self.key_first || key_accepted;
        let all = [
            (MethodKind::PublicKey, !(self.no_keys || self.key_first && key_accepted)),
            (MethodKind::KeyboardInteractive, self.keyboard_interactive.is_some() && others),
            (MethodKind::Password, self.password.is_some() && others),
        ];
        let offered: Vec<MethodKind> =
            all.into_iter().filter(|(_, offered)| *offered).map(|(method, _)| method).collect();
        MethodSet::from(offered.as_slice())
    }
}
