//! A session: one connection, and the one thread that calls libssh2 on it.
//!
//! The thread polls the socket, a wake-up event, and the pipes of its channels, and never blocks elsewhere. It is
//! asked by [`Request`]s. A rule of libssh2 shapes the loop: a call that could not send its whole packet must be
//! repeated before any other call that sends, and almost every call may send; a read does (it adjusts the window).
//! Such a call is stored as a [`pending_call::PendingCall`] and repeated first.

mod algorithm_mismatch;
mod banner;
mod call_timeout;
mod channel;
mod channel_io;
mod dial;
mod exit_status;
mod handle;
mod handshake;
pub(super) mod libssh2_codes;
mod pending_call;
mod poll;
mod retry;
mod run_state;
mod start;
mod thread;
mod trace;
mod transport;
mod watchdog;
mod wrapper;

pub use trace::StepKind;

pub(super) use call_timeout::set_call_timeout;
pub(super) use handle::{
    ChannelType, GuardError, GuardFolder, GuardSlot, GuardedGroup, OpenError, Request, SessionHandle, SessionPipes,
};
pub(crate) use run_state::RunState;
pub(super) use start::{SessionParams, start};
pub(super) use trace::Trace;
pub(crate) use watchdog::{tenths, watchdog_script};
pub(super) use wrapper::Greeting;
pub(crate) use wrapper::{greeting, is_same_namespace, nonce, wrapper};
