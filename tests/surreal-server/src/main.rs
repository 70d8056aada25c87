//! The SurrealDB server as its authors build it, with the storage engines that the tests use.

// An optimised build exceeds the default limit with the engine's nested futures.
#![recursion_limit = "256"]

use std::process::ExitCode;

use surrealdb_server::core::CommunityComposer;

fn main() -> ExitCode {
    surrealdb_server::init(CommunityComposer())
}
