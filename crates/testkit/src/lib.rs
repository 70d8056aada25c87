//! Test only: contract suites, real servers in temporary folders, fake models.
//!
//! Everything here is for tests: it panics with a plain sentence instead of returning errors, because a test has
//! nothing better to do with one.

#[cfg(feature = "faulty-ssh")]
pub mod faulty_ssh;
pub mod link;
pub mod processes;
pub mod require;
pub mod sshd;
