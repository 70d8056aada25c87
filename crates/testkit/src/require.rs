//! Requirements of a test on the machine, and what happens if one is missing.
//!
//! On a developer's machine such a test reports on stderr that it was skipped, past the capture of the test runner,
//! and passes. Under CI it fails, because a skipped test would go unnoticed.

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The variable that lists required programs: names separated by commas or spaces, or `all`.
pub const REQUIRE: &str = "MER_TEST_REQUIRE";

/// Says that `what` is missing and why, or panics where it must be there: under `CI=true`, or if [`REQUIRE`] lists it.
///
/// ```no_run
/// # use mer_testkit::require;
/// let Some(program) = require::program("postgres", &["/usr/lib/postgresql/15/bin"]) else {
///     return require::missing("postgres", "no `postgres` on the PATH");
/// };
/// # drop(program);
/// ```
#[track_caller]
pub fn missing(what: &str, why: &str) {
    report(what, why, is_true(env::var_os("CI").as_deref()));
}

/// As [`missing`], for things that not every CI machine has (network namespaces): only [`REQUIRE`] makes it a
/// failure.
#[track_caller]
pub fn unavailable(what: &str, why: &str) {
    report(what, why, false);
}

/// The absolute path of `name`: from the PATH, from `more`, or from the `sbin` folders, which are not on a user's
/// PATH.
pub fn program(name: &str, more: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    env::split_paths(&path)
        .chain(more.iter().chain(&usual).map(PathBuf::from))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

#[track_caller]
fn report(what: &str, why: &str, strict: bool) {
    let required = strict || lists(&env::var(REQUIRE).unwrap_or_default(), what);
    assert!(!required, "`{what}` is missing, and this run requires it: {why}");
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: no {what}: {why}\n", thread.name().unwrap_or("a test"));
    // Not by eprint!, which the test runner swallows when the test passes. A closed stderr does not matter.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn lists(listed: &str, what: &str) -> bool {
    listed.split([',', ' ']).map(str::trim).any(|word| word == what || word == "all")
}

fn is_true(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_names_are_whole_words() {
        assert!(lists("postgres,sshd", "sshd"));
        assert!(lists("postgres sshd", "sshd"));
        assert!(lists("all", "surreal"));
        assert!(!lists("sshd2,postgres", "sshd"));
        assert!(!lists("", "sshd"));
    }

    #[test]
    fn ci_is_on_unless_it_says_no() {
        assert!(is_true(Some(OsStr::new("true"))));
        assert!(is_true(Some(OsStr::new("1"))));
        assert!(!is_true(Some(OsStr::new("false"))));
        assert!(!is_true(Some(OsStr::new(""))));
        assert!(!is_true(None));
    }

    #[test]
    fn a_required_thing_that_is_missing_fails_the_test() {
        assert!(std::panic::catch_unwind(|| report("sshd", "a test of the helper", true)).is_err());
    }

    #[test]
    fn programs_are_found_and_folders_are_not_programs() {
        assert!(program("sh", &[]).is_some_and(|file| file.is_absolute()));
        assert_eq!(program("no-such-program-at-all", &[]), None);
        assert_eq!(program("bin", &["/usr"]), None);
    }
}
