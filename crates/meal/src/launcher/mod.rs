//! Processes of a launcher that is remote, such as `kubectl exec -i POD --`: they are elsewhere, and neither its exit status nor
//! its death says anything about them.
//!
//! The launcher is called twice for a process: once with the wrapper of SSH runs, which starts it and reports its exit status by
//! a mark on stderr, and once with the watchdog of SSH runs, which ends its group when that call ends or no heartbeat comes. A
//! POSIX `sh` is needed there, and nothing is installed. See [`crate::ssh`] for both scripts.

mod control;
mod error;
mod executor;
mod guard;
mod guard_request;
mod look;
mod shell;
mod start;
mod watchdog;

pub(crate) use control::LauncherControl;
pub use error::LauncherError;
pub use executor::LauncherConfig;
pub(crate) use executor::LauncherExecutor;
pub use look::LauncherPing;
