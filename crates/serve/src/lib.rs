//! The resident: one process that keeps models and connections, and serves the separate calls of one user to one database.
//!
//! Start reading at [`serve`] (`resident.rs`), which takes the lock and the socket (`socket.rs`) and accepts connections.
//! `routes.rs` answers plain requests (`http/`); `run.rs` takes a run from its request to its end; `life.rs` decides when the resident
//! ends.
//!
//! Like the service, it knows no command line and no exit codes. The words of hints come from the caller ([`Messages`]).

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod caller;
mod drain;
mod error;
mod http;
mod input;
mod life;
mod messages;
mod notify;
mod output;
mod part;
mod peer;
mod resident;
mod resident_state;
mod routes;
mod run;
mod socket;

pub use drain::DrainCommand;
pub use error::ServeError;
pub use messages::Messages;
pub use notify::{is_activated, notify};
pub use resident::{Options, serve};
