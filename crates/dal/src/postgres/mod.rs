//! The PostgreSQL driver. No other module tree names the crate `sqlx`.
//!
//! One [`PostgresServer`] lives as long as its [`crate::Database`] and keeps a few connections; every call takes one of
//! them, for the call only. A call is bounded, is repeated if another writer was first or the connection was lost, and
//! may therefore run twice: every statement of this driver leaves the same rows then.

mod access;
mod access_counts;
mod access_prune;
mod access_query;
mod access_report;
mod access_stats;
mod call;
mod claims;
mod connect;
mod connection_params;
mod detached;
mod error;
mod heartbeat;
mod identity;
mod lock;
mod lock_holder;
mod migrate;
mod passfile;
mod pool;
mod registry;
mod restore;
mod rows;
mod run_script;
mod script;
mod script_row;
mod script_session;
mod server_location;
mod stop_script;
mod store;
mod url;
mod weights;
mod wire_types;

pub(crate) use lock::AdvisoryLock;
pub(crate) use pool::PostgresServer;
pub(crate) use store::PostgresStore;
pub use url::PostgresUrl;
