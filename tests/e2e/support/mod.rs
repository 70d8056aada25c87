//! What every test stands on: an environment of its own, processes that cannot outlive their test, waits with a bound.

mod around;
mod env;
mod live;
mod procs;
mod ran;
mod servers;
mod template;
mod terminal;

pub(crate) use around::{repository, server_program};
pub(crate) use env::{TestEnv, run};
pub(crate) use live::Live;
pub(crate) use procs::{alive, bearers, pid_in, wait_gone, wait_until};
pub(crate) use ran::Ran;
pub(crate) use servers::{OnServer, Server, shared_databases};
pub(crate) use terminal::AtTerminal;

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// How long anything at all may take. Far more than it does, so that a busy machine fails no test.
pub(crate) const BOUND: std::time::Duration = std::time::Duration::from_secs(60);

/// The sha256 of some bytes in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
