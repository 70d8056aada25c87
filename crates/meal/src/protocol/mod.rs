//! The protocols: how a request and its reply are put on the pipes of a run.
//!
//! `oneshot` is a function over a [`crate::Run`]; `lines` and `token` are a [`WarmProcess`], and differ in their [`framing`].
//! How a process is ended is in [`termination`], for all of them.

mod deadline;
mod framing;
mod last_output;
mod oneshot;
mod part;
mod part_exchange;
mod part_progress;
mod part_request;
mod recheck;
mod scan;
mod sinks;
mod stderr_drain;
mod stdout_pump;
mod termination;
mod warm;
mod warm_exchange;
mod warm_pipes;
mod warm_request;
mod warm_shutdown;
mod warm_start;

pub use deadline::until;
pub use framing::check_input;
pub use oneshot::oneshot;
pub use part::{ItemReply, PartEnd, PartItems, PartReplies, PartRequest};
pub use sinks::{Input, SentHook, Sinks, StderrHook};
pub use warm::WarmProcess;
