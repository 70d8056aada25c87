//! Processes on this machine.
//!
//! A model is spawned by `std::process::Command` on its posix_spawn path (no code of ours between fork and exec), in a
//! process group of its own. Its end is seen through a pidfd; the zombie is kept until the rest of its group has been
//! dealt with, because as long as it is there its number cannot be given to somebody else.

mod config;
mod control;
mod exit_notice;
mod resolve;
mod runnable;
mod sigchld;
mod spawn;
mod strays;
mod watcher_client;

pub use config::LocalConfig;
pub(crate) use control::LocalControl;
pub use sigchld::ignored_signals;
pub(crate) use spawn::LocalExecutor;
pub use strays::reap_orphans;
