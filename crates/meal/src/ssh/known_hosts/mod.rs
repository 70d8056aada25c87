//! Reads known_hosts files, because libssh2's reader does not support `@revoked`.
//!
//! A host is looked up by its name, or by `[name]:port` if the port is not 22. Entries may be plain, patterns, or
//! hashed. The result is a [`Verdict`]; what follows from it is decided elsewhere.

mod known_keys;
mod line;

#[cfg(test)]
mod tests;

pub(super) use known_keys::{KnownKeys, Verdict};
pub(super) use line::{fingerprint, key_kind};
