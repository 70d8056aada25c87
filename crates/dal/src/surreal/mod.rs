//! The SurrealDB driver: embedded, in memory, later a server. No other module tree names the crate `surrealdb`.

mod access;
mod connect;
mod migrate;
mod registry;
mod rows;
mod script;
mod store;

pub(crate) use connect::{connect, is_locked};
pub(crate) use store::SurrealStore;
