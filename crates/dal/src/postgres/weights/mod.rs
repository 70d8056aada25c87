//! Weights: payloads in chunks, versions, aliases, and garbage collection.

mod aliases;
mod garbage;
mod payload;
mod restore;
mod rows;
mod statements;
mod versions;
