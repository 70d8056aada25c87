//! What MER does, without a terminal: plain requests come in, results and events go out.
//!
//! A [`Runtime`] is the entry point. It is made from [`Settings`] and has the database, the journal, the scheduler and the
//! task that drains the journal.
//!
//! This crate knows no command line, no environment variable, no colours and no exit codes. Waits and warnings go to an
//! [`EventSink`]; the caller decides what becomes of them.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod api;
pub mod batch;
mod blocking;
mod byte_stream;
mod caller;
pub mod claims;
pub mod detached;
mod drainer;
mod error;
mod events;
mod file_input;
pub mod health;
mod journal;
mod kept;
pub mod log;
mod lost_run;
pub mod migrate;
mod read_view;
pub mod registry;
pub mod registry_file;
mod registry_watch;
mod run;
mod runtime;
mod session;
mod settings;
mod shared_claims;
mod small_pages;
pub mod train;
pub mod transfer;
mod view;
mod watched_view;
pub mod weights;

pub use api::{ModelHost, ResolvedModel, RunRequest, Sender, WarmModel};
pub use blocking::{run_blocking, spawn_thread};
pub use byte_stream::{ByteSink, next_chunk};
pub use caller::{Caller, host_name, login_name};
pub use error::ServiceError;
pub use events::{Activity, ActivityGuard, Event, EventSink, NoEvents};
pub use file_input::{open_file, read_fd};
pub use journal::JournalState;
pub use runtime::Runtime;
pub use settings::{Login, Settings};
pub use small_pages::SmallPages;
pub use view::View;
