//! Models on other machines, through the whole program: a real `sshd` of the test's own stands for the other machine.

mod asks;
mod ends;
mod ping;
mod reach;
mod runs;
mod stopped;
mod train;
mod weights;

use std::{fmt::Write as _, path::PathBuf};

use mer_testkit::sshd::{Builder, Sshd};

use crate::support::TestEnv;

/// The models over there. They leave their files in the HOME that sessions of the server have.
const MODELS: &str = include_str!("models.toml");

/// A `mer`, and a server that it knows as `there`.
pub(crate) struct There {
    pub(crate) env: TestEnv,
    pub(crate) sshd: Sshd,
}

impl There {
    /// None where there is no `sshd`.
    pub(crate) fn new() -> Option<Self> {
        Self::with(Sshd::builder())
    }

    /// With a server of a special kind.
    pub(crate) fn with(builder: Builder<'_>) -> Option<Self> {
        let sshd = builder.start()?;
        let there = Self { env: TestEnv::ready(), sshd };
        there.env.file("home/.ssh/known_hosts", there.sshd.known_hosts());
        there.apply(&(server("there", &there.sshd) + MODELS));
        Some(there)
    }

    /// Brings the registry to this too.
    #[track_caller]
    pub(crate) fn apply(&self, toml: &str) {
        self.env.apply(toml);
    }

    /// A file in the HOME over there.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.sshd.home().join(name)
    }
}

/// A server's table.
pub(crate) fn server(name: &str, sshd: &Sshd) -> String {
    let mut text = format!("[servers.{name}]\nconnType = 'ssh'\nhost = '{}'\nport = {}\n", sshd.host(), sshd.port());
    writeln!(text, "user = '{}'\nidentityFile = '{}'\n", sshd.user(), sshd.client_key().display()).expect("a String");
    text
}

/// A port that nobody listens on, as far as one can know.
pub(crate) fn closed_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    socket.local_addr().expect("an address").port()
}
