//! What every test stands on: an environment of its own, processes that cannot outlive their test, waits with a bound.

mod around;
mod env;
pub(crate) mod journal;
mod live;
mod procs;
mod ran;
mod servers;
mod sessions;
mod template;
mod terminal;
mod users;

pub(crate) use around::{repository, server_program};
pub(crate) use env::{TestEnv, run};
pub(crate) use live::Live;
pub(crate) use mer_testkit::noise;
pub(crate) use procs::{alive, bearers, pid_in, wait_gone, wait_until};
pub(crate) use ran::Ran;
pub(crate) use servers::{OnServer, Server, database_name, database_uid, shared_databases, sql};
pub(crate) use sessions::{record, with_session};
pub(crate) use template::MODELS;
pub(crate) use terminal::AtTerminal;
pub(crate) use users::{give, public_binary};

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

/// How long anything at all may take. Far more than it does, so that a busy machine fails no test.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A random moment within this time, from a clock: which one it was is to be told when the test fails.
pub(crate) fn moment(longest: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
    // The low digits of a clock are no sequence.
    let part = f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24);
    longest.mul_f64(part)
}

/// The sha256 of some bytes in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
