//! What a test needs beside the binary.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

/// The folder of the clone.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/driver lies two folders down").to_path_buf()
}

/// The SurrealDB server that `tests/run` builds. Where there is none, the test says that it is skipped; under CI it fails.
#[track_caller]
pub(crate) fn server_program() -> Option<PathBuf> {
    const PROGRAM: &str = "MER_SURREAL_SERVER";
    let program = env::var_os(PROGRAM).map(PathBuf::from).filter(|program| program.is_file());
    if program.is_none() {
        assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "{PROGRAM} names no program");
        // Past the capture of the test runner: a skipped test that nobody sees is no test.
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED {name}: {PROGRAM} names no program");
    }
    program
}
