//! known_hosts files: our own reader, because libssh2's knows no `@revoked`.
//!
//! A host is looked up by its name, or by `[name]:port` where the port is not 22; entries may be plain, patterns, or
//! hashed. The answer is one of [`Verdict`]; nothing here decides what to do about it.

mod known_keys;
mod line;

#[cfg(test)]
mod tests;

pub(super) use known_keys::{KnownKeys, Verdict};
pub(super) use line::{fingerprint, key_kind};
