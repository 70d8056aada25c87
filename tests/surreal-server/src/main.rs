//! The SurrealDB server, as its makers build it, with the storage engines that the tests use.

// An optimised build looks deeper into the futures of the engine.
#![recursion_limit = "256"]

use std::process::ExitCode;

use surrealdb_server::core::CommunityComposer;

fn main() -> ExitCode {
    surrealdb_server::init(CommunityComposer())
}
