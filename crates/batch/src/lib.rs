//! Batches: a file of inputs, every answer once, whatever is killed.
//!
//! This crate is all of a batch except executing: reading inputs, identity, order, parts, retries, the ledger, results. A
//! [`Runner`] executes.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod halt;
mod item;
mod options;
mod runner;
mod stop;

pub use halt::{Halt, HaltAmount, HaltError, HaltEvent, HaltWhen};
pub use item::{Identity, Item};
pub use options::{Duplicates, Input, InputFormat, Options, Output, OutputFormat, Subject};
pub use runner::{ItemReply, Part, PartCause, PartEnd, PartFuture, ReplySender, Runner};
pub use stop::{Stop, StopLevel};
