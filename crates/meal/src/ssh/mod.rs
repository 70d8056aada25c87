//! Processes on other machines, by SSH, with libssh2 and without the `ssh` program.
//!
//! A [`session`] is a thread that owns one connection and carries many channels. It is the only thread that calls
//! libssh2 on that connection. A [`pool`] has several sessions of one server. A [`run`] is a remote process in the
//! shape of a local one: its pipes are local pipes, whose other ends the session's thread holds.
//!
//! No process stays behind on the server: see [`session::watchdog`].

mod algorithms;
mod auth;
mod config;
mod error;
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
pub(crate) use session::{RunState, greeting, is_same_namespace, nonce, tenths, watchdog_script, wrapper};
pub use target::{SecretRequest, SecretSource, SshConfig, SshEnvironment};
