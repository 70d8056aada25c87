//! A SurrealDB server: one connection for the life of the process, which is made again whenever it is lost.
//!
//! A call is bounded, is repeated if the connection was lost, and may therefore run twice: every statement of this
//! driver leaves the same rows then. A script is sent once only.

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
