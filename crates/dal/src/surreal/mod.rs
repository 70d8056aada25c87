//! The SurrealDB driver: embedded, in memory, or a server. No other module tree names the crate `surrealdb`.

mod access;
mod access_prune;
mod claims;
mod connect;
mod detached;
mod engine;
mod error;
mod heartbeat;
mod identity;
mod migrate;
mod query;
mod registry;
mod restore;
mod rows;
mod run_script;
mod script;
mod script_row;
#[cfg(feature = "surreal-server")]
mod server;
mod store;
mod weights;

pub(crate) use connect::{connect, is_locked};
#[cfg(feature = "surreal-server")]
pub use server::SurrealUrl;
#[cfg(feature = "surreal-server")]
pub(crate) use server::{LeaseLock, SurrealServer};
pub(crate) use store::SurrealStore;
