//! Batches: a file of inputs, every answer once, whatever is killed.
//!
//! This crate is all of a batch except executing: reading inputs, identity, order, parts, retries, the ledger, results. A
//! [`Runner`] executes.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests may panic"))]

mod batch;
mod coordinator;
mod digest;
mod dry_run;
mod error;
mod feed;
mod halt;
mod input;
mod item;
mod ledger;
mod options;
mod path_checks;
mod prepare;
mod progress;
mod results;
mod runner;
mod schedule;
mod stop;

pub use batch::Batch;
pub use dry_run::DryRun;
pub use error::BatchError;
pub use halt::{Halt, HaltAmount, HaltError, HaltEvent, HaltWhen};
pub use item::{Identity, Item};
pub use options::{Duplicates, Input, InputFormat, Options, Output, OutputFormat, Subject};
pub use progress::{BatchEnd, Event, Observer, Progress, ServerProgress, Summary};
pub use runner::{CloseFuture, ItemReply, Part, PartCause, PartEnd, PartFuture, ReplySender, Runner};
pub use stop::{Stop, StopLevel};

#[cfg(test)]
mod tests;
