//! Helpers of all tests: temporary environments, processes that do not outlive their test, bounded waits.

mod browser;
mod env;
pub(crate) mod journal;
mod live;
mod paths;
mod procs;
mod pypi;
mod ran;
mod servers;
mod sessions;
mod template;
mod terminal;
mod users;

pub(crate) use browser::Browser;
pub(crate) use env::{TestEnv, run};
pub(crate) use live::Live;
pub(crate) use mer_testkit::noise;
pub(crate) use paths::{repository, server_program};
pub(crate) use procs::{alive, bearers, pid_in, wait_gone, wait_until};
pub(crate) use pypi::Python;
pub(crate) use ran::Ran;
pub(crate) use servers::{OnServer, Server, database_name, database_uid, shared_databases, sql};
pub(crate) use sessions::{record, with_session};
pub(crate) use template::MODELS;
pub(crate) use terminal::{AtTerminal, OnScreen};
pub(crate) use users::{give, public_binary};

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

/// Bound of every wait. Far longer than needed, so that a busy machine fails no test.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Returns a random time below this bound, taken from the clock. Tests print it when they fail.
pub(crate) fn moment(longest: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
    // A multiplicative hash spreads the clock's values.
    let part = f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24);
    longest.mul_f64(part)
}

/// Returns the sha256 of some bytes in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
