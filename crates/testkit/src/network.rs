//! Networks that fail on command: a proxy that holds or cuts a connection, and a cable between two network
//! namespaces.
//!
//! The proxy works everywhere, but the kernels at both ends still answer. Only the cable shows what happens when they
//! do not.

mod cable;
mod proxy;

pub use cable::Cable;
pub use proxy::{Direction, Proxy};
