//! The repository, and the SurrealDB server of the tests.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

/// Returns the root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/driver lies two folders down").to_path_buf()
}

/// Returns the SurrealDB server that `tests/run` builds. Where it is missing, prints that the test is skipped; with
/// `CI=true` the test fails.
#[track_caller]
pub(crate) fn server_program() -> Option<PathBuf> {
    const PROGRAM: &str = "MER_SURREAL_SERVER";
    let program = env::var_os(PROGRAM).map(PathBuf::from).filter(|program| program.is_file());
    if program.is_none() {
        assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "{PROGRAM} names no program");
        // Written directly to stderr: the test runner would hide what a passing test prints.
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED {name}: {PROGRAM} names no program");
    }
    program
}
