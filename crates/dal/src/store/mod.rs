//! The open database: every question that MER asks it, whichever database it is.

mod accesses;
mod claims;
mod detached;
mod driver;
mod migrations;
mod registry;
mod versions;

pub use accesses::HEARTBEAT_TTL;
pub use driver::Store;
pub(crate) use driver::{Driver, ask};
