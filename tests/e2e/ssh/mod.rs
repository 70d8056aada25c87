//! Models on other machines, through the whole program; a temporary `sshd` stands for the other machine, called `there`.

mod asks;
mod ends;
mod ping;
mod reach;
mod resources;
mod runs;
mod stopped;
mod train;
mod weights;

use std::{fmt::Write as _, path::PathBuf};

use mer_testkit::sshd::{Builder, Sshd};

use crate::support::{OnServer, TestEnv};

/// Models on the server `there`. They write their files to the HOME of the server's sessions.
const MODELS: &str = include_str!("models.toml");

/// A `mer` with a server that is registered as `there`.
pub(crate) struct There {
    pub(crate) env: TestEnv,
    pub(crate) sshd: Sshd,
}

impl There {
    /// Returns none where `sshd` is not installed.
    pub(crate) fn new() -> Option<Self> {
        Self::with(Sshd::builder())
    }

    /// The same with another configuration of the server.
    pub(crate) fn with(builder: Builder<'_>) -> Option<Self> {
        let sshd = builder.start()?;
        let there = Self { env: TestEnv::ready(), sshd };
        there.env.file("home/.ssh/known_hosts", there.sshd.known_hosts());
        there.apply(&(server("there", &there.sshd) + MODELS));
        Some(there)
    }

    /// Applies a registry file.
    #[track_caller]
    pub(crate) fn apply(&self, toml: &str) {
        self.env.apply(toml);
    }

    /// Returns the path of a file in the server's HOME.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.sshd.home().join(name)
    }
}

/// Returns a home on a database that is on a server; it knows the key of this `sshd`.
pub(crate) fn place_knowing(url: &str, sshd: &Sshd) -> OnServer {
    let place = OnServer::new(url.to_owned());
    place.env.file("home/.ssh/known_hosts", sshd.known_hosts());
    place
}

/// Returns the table of a server in a registry file.
pub(crate) fn server(name: &str, sshd: &Sshd) -> String {
    let mut text = format!("[servers.{name}]\nconnType = 'ssh'\nhost = '{}'\nport = {}\n", sshd.host(), sshd.port());
    writeln!(text, "user = '{}'\nidentityFile = '{}'\n", sshd.user(), sshd.client_key().display()).expect("a String");
    text
}

/// Returns a port that nothing listened on a moment ago.
pub(crate) fn closed_port() -> u16 {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    socket.local_addr().expect("an address").port()
}
