//! The watcher: a tiny process beside `mer` that ends its models when it is gone, however it went.
//!
//! It reads lines from its stdin: `nonce N` and `told N` first, then `+GROUP GRACE_MS [NUMBER]` and `-GROUP`, and `bye`.
//! `told` has the greatest number of a model that an earlier watcher was told; a group of an earlier one comes without its
//! number. When stdin ends without `bye`, or with groups still listed, it sends them TERM, and KILL when their grace is
//! over.
//!
//! Between the spawn of a model and its `+` there is a moment. So every model carries the nonce in its environment, and
//! the watcher looks for it in `/proc`. That sees every model: the child that is being spawned holds a copy of the
//! pipe's writing end until its exec closes it, hence the end of file comes after the exec. The kernel closes it a few
//! microseconds before the new environment can be read, therefore the search is repeated.

mod group_table;
mod main;
mod mark;
mod proc_scan;

pub use main::watcher_main;
pub use mark::WATCH_VARIABLE;
pub(crate) use mark::{Mark, value as mark_value};
pub(crate) use proc_scan::{Found, look_at, scan, stat};
