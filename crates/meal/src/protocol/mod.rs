//! The protocols: how a request and its reply are put on the pipes of a run.
//!
//! `oneshot` is a function over a [`crate::Run`]; `lines` and `token` are a [`WarmProcess`]. A framing is what differs
//! between those two ([`framing`]); `frames` will be a third one.

mod exchange;
mod framing;
mod last;
mod look;
mod oneshot;
mod pump;
mod scan;
mod sinks;
mod start;
mod stderr;
mod warm;

pub use framing::check_input;
pub use oneshot::oneshot;
pub use sinks::{Input, SentHook, Sinks, StderrHook};
pub use warm::{WarmProcess, until};

use std::time::Duration;

/// How long a process that has ended may be outlived by whoever holds its pipes: then they get TERM.
const LINGER: Duration = Duration::from_millis(500);
/// And after this KILL.
const LINGER_TERM: Duration = Duration::from_millis(250);
/// How long dying of KILL may take before we stop waiting for it.
const KILL_WAIT: Duration = Duration::from_secs(2);
