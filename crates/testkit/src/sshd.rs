//! A real OpenSSH `sshd` for one test: own folder, own keys, a free loopback port, ended with the test.
//!
//! It runs as whoever runs the test and logs that user in: a normal user's `sshd` can do no more, and root's is told to
//! allow root. It reads no file of the machine's own `sshd`, and its sessions have a HOME of their own, so that no rc
//! file of that user is read. (They still start in the user's real home folder, and in the user's login shell.)
//!
//! **Passwords**: a real `sshd` checks them against the machine's accounts, through PAM or `/etc/shadow`, and a test owns
//! none. So [`Builder::offer_password`] only makes it *offer* the method, and every password is refused, which is the
//! test of "refused" and of "no method left". A password that is accepted is the faulty server's to give.

mod builder;
mod files;
mod keys;
mod server;
mod shell;

pub use builder::Builder;
pub(crate) use builder::greets;
pub(crate) use files::show_log;
pub use keys::{HostKey, KeyType};
pub(crate) use keys::{client_key, known_hosts};
pub use server::Sshd;
pub use shell::Shell;
