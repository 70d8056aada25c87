//! A SurrealDB server: one connection for the life of the process, made again whenever it is lost.
//!
//! A call is bounded, is tried again where the connection was lost, and may therefore run twice: every statement of this
//! driver is written so that this changes nothing; a script is run once only.

mod call;
mod connection;
mod connection_params;
mod lock;
mod tcp_nodelay;
mod tls;
mod url;

pub(crate) use call::SurrealServer;
pub(crate) use lock::LeaseLock;
pub use url::SurrealUrl;
