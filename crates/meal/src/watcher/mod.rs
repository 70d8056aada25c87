//! The watcher: a small process beside `mer` that ends the models when `mer` is gone, in whatever way.
//!
//! It reads lines from stdin: first `nonce N` and `told N`, then `+GROUP GRACE_MS [NUMBER]`, `-GROUP` and `bye`.
//! `told` has the greatest number of a model that an earlier watcher was told; groups from that time come without
//! their number. If stdin ends without `bye`, or with groups still listed, the watcher sends them TERM, and KILL
//! after their grace period.
//!
//! Its stdout is a socket over which it is sent descriptors, each before the line of its process: locks that last until the
//! process is gone, also if `mer` is killed. `free NUMBER` closes them. Those of a process on another machine are told with
//! the time that it may live after `mer`.
//!
//! A model runs for a moment before its `+` line is written. Every model therefore carries the nonce in its
//! environment, and the watcher searches `/proc` for it. This finds every model: a child that is being spawned holds
//! a copy of the writing end of the pipe until its exec closes it, so that the end of file comes after the exec. The
//! kernel closes the copy a few microseconds before the new environment can be read, so that the search is repeated.

mod descriptors;
mod group_table;
mod holds;
mod main;
mod mark;
mod proc_scan;

pub(crate) use descriptors::{send as send_descriptors, socket_pair};
pub use main::watcher_main;
pub use mark::WATCH_VARIABLE;
pub(crate) use mark::{Mark, value as mark_value};
pub(crate) use proc_scan::{ScannedProcess, scan, scan_one, stat};
