//! Processes on this machine.
//!
//! A model is spawned by `std::process::Command` by posix_spawn (no code of this program runs between fork and exec),
//! in a new process group. A pidfd shows its end. The zombie stays until the rest of its group has been ended,
//! because its number cannot be reused as long as it exists.

mod config;
mod control;
mod exit_notice;
mod holding;
mod memory;
mod resolve;
mod runnable;
mod sigchld;
mod spawn;
mod strays;
mod watcher_client;

pub use config::LocalConfig;
pub(crate) use control::LocalControl;
pub(crate) use holding::{Holder, Holding};
pub use memory::group_memory;
pub use sigchld::ignored_signals;
pub(crate) use spawn::LocalExecutor;
pub use strays::reap_orphans;
