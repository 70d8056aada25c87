//! A real OpenSSH `sshd` for one test: a temporary folder, new keys, a free loopback port, ended with the test.
//!
//! It runs as the user of the test, and logs that user in; root is allowed to log in. It reads no file of the
//! machine's own `sshd`, and its sessions have a HOME of their own, so that no rc file of that user is read. (They
//! still start in the user's real home folder, and in the user's login shell.)
//!
//! **Passwords**: `sshd` checks them against the machine's accounts, through PAM or `/etc/shadow`, and a test has no
//! account. So [`Builder::offer_password`] only *offers* the method, and every password is refused, which tests
//! "refused" and "no method left". The faulty server accepts passwords.

mod builder;
mod files;
mod keys;
mod launch;
mod server;
mod shell;

pub use builder::Builder;
pub(crate) use files::show_log;
pub(crate) use keys::client_key;
#[cfg(feature = "faulty-ssh")]
pub(crate) use keys::known_hosts;
pub use keys::{HostKey, KeyType};
pub(crate) use launch::greets;
pub use server::Sshd;
pub use shell::Shell;
