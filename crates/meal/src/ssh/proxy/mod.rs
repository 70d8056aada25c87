//! `ProxyCommand`: a process whose stdin and stdout are the connection.
//!
//! It has a process group of its own, which ends with the session. If `mer` is killed, its pipes close, and every command that
//! carries a connection ends then.

mod command;
mod process;
mod running;

pub(super) use command::ProxyCommand;
pub(super) use running::{ProxyProcess, RunningProxies};
