//! A session: one connection, and the one thread that ever calls libssh2 on it.
//!
//! The thread polls the socket, a wake-up, and the pipes of its channels; nothing in it blocks. Whoever wants something
//! sends a [`Request`]. libssh2 has one rule that shapes the loop: a call that could not send its whole packet must be
//! repeated before any other that sends, and almost every call may send, a read too (it adjusts the window). Such a call
//! is kept as an [`chan::Op`] and repeated first.

mod algorithms;
mod banner;
mod chan;
pub(super) mod code;
mod dial;
mod handshake;
mod link;
mod mark;
mod poll;
mod report;
mod retry;
mod start;
mod status;
mod stream;
mod thread;
mod trace;
mod watchdog;
mod way;
mod wrapper;

pub use trace::StepKind;

pub(super) use handshake::bound;
pub(super) use link::{Ends, Guard, GuardError, Link, OpenError, Request, Ward, What};
pub(super) use mark::say as say_end;
pub(super) use report::Report;
pub(super) use start::{Start, start};
pub(super) use trace::Trace;
pub(super) use wrapper::{greeting, nonce, wrapper};
