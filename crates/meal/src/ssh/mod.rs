//! Processes on other machines, over SSH, with libssh2 and without the `ssh` program.
//!
//! A [`session`] is a thread that owns one connection and carries many channels; a [`pool`] has several sessions of one
//! server; a [`run`] is a process over there with the shape of a local one: its pipes are pipes of this machine, whose
//! other ends the session's thread holds. That thread is the only one that ever calls libssh2 on its connection.
//!
//! Nothing stays behind over there: see [`session::watchdog`].

mod algorithms;
mod auth;
mod config;
mod error;
mod error_hint;
mod executor;
mod known_hosts;
mod ping;
mod pool;
mod proxy;
mod route;
mod run;
mod session;
mod target;

pub use error::SshError;
pub(crate) use executor::SshExecutor;
pub use ping::{PingReport, PingStep};
pub(crate) use run::RemoteControl;
pub use session::StepKind;
pub use target::{SecretRequest, SecretSource, SshConfig, SshEnvironment};
