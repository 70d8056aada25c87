//! What a crate may name.

use crate::{assert_none, rust};

/// The crates that must not see the environment.
const BELOW_DRIVER: &[&str] = &["core", "dal", "files", "meal", "migrations", "scheduler", "service", "weights"];

/// What reads or changes the environment of the process.
const ENVIRONMENT: &[&str] = &[
    "std::env",
    "env::var",
    "env::args",
    "env::set_var",
    "env::remove_var",
    "env::current_dir",
    "env::current_exe",
    "env::home_dir",
    "env::temp_dir",
];

/// A crate from outside, and the module tree that alone may name it.
const ONE_TREE: &[(&str, &str)] =
    &[("surrealdb", "crates/dal/src/surreal"), ("sqlx", "crates/dal/src/postgres"), ("ssh2", "crates/meal/src/ssh")];

/// The lines of a source file that are compiled into the program, with their numbers: no comments, no unit tests.
fn shipped(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    before_tests.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or_default()))
}

fn is_test(path: &str) -> bool {
    !path.contains("/src/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Whether a line of code, outside of strings, has something in it that begins with `what` as a word.
fn names(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let before = &line[..at];
        before.matches('"').count().is_multiple_of(2) && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn only_the_driver_reads_the_environment() {
    let mut faults = Vec::new();
    for (path, text) in BELOW_DRIVER.iter().flat_map(|name| rust(&format!("crates/{name}"))) {
        if is_test(&path) {
            continue;
        }
        for (number, line) in shipped(&text) {
            if ENVIRONMENT.iter().any(|call| names(line, call)) {
                faults.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert_none(&faults, "only `driver` reads the environment: hand the value down");
}

#[test]
fn a_database_and_a_transport_are_each_known_to_one_module_tree() {
    let mut faults = Vec::new();
    for (path, text) in rust("crates") {
        if is_test(&path) || path.starts_with("crates/testkit/") {
            continue;
        }
        for (number, line) in shipped(&text) {
            for (name, tree) in ONE_TREE {
                let named = names(line, &format!("{name}::")) || names(line, &format!("use {name}"));
                if named && !path.starts_with(tree) {
                    faults.push(format!("{path}:{number}: `{name}` belongs to {tree}: {}", line.trim()));
                }
            }
        }
    }
    assert_none(&faults, "crates named outside their module tree");
}

#[test]
fn every_shipped_crate_opens_files_in_one_place() {
    /// The line that switches the lint on; it does nothing for tests.
    const SWITCH: &str = "#![cfg_attr(not(test), deny(clippy::disallowed_methods))]";
    /// Where a file may be opened all the same: each of them says why.
    const EXPECTED: &str = "expect(clippy::disallowed_methods";
    /// The crate that opens files, the terminal for a question, and the reading of scripts and of built-in models.
    const PLACES: &[&str] = &[
        "crates/files/src/",
        "crates/driver/src/ui/prompt_secret.rs",
        "crates/driver/src/repl/mod.rs",
        "crates/driver/src/example_models/mod.rs",
    ];
    let mut faults = Vec::new();
    for (path, text) in rust("crates") {
        let in_testkit = path.starts_with("crates/testkit/");
        if path.ends_with("/src/lib.rs") && !in_testkit && !text.lines().any(|line| line == SWITCH) {
            faults.push(format!("{path}: lacks `{SWITCH}`"));
        }
        let excuses = text.contains(EXPECTED) || text.contains("allow(clippy::disallowed_methods");
        if !in_testkit && excuses && !PLACES.iter().any(|place| path.starts_with(place)) {
            faults.push(format!("{path}: opens files by itself: `mer-files` is the place for it"));
        }
    }
    assert_none(&faults, "a named pipe must not be waited for without a bound (clippy.toml)");
}
