//! Names from outside that each crate may use.

use std::collections::BTreeSet;

use crate::{assert_none, read, rust};

/// The crates that must not see the environment.
const BELOW_DRIVER: &[&str] = &[
    "batch",
    "client",
    "core",
    "dal",
    "files",
    "meal",
    "migrations",
    "report",
    "scheduler",
    "serve",
    "service",
    "weights",
];

/// Paths that read or change the environment of the process.
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

/// External crates, each with the only module tree that may name it.
const ONE_TREE: &[(&str, &str)] =
    &[("surrealdb", "crates/dal/src/surreal"), ("sqlx", "crates/dal/src/postgres"), ("ssh2", "crates/meal/src/ssh")];

/// Returns the numbered lines of a source file without comments and unit tests.
fn shipped(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    before_tests.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or_default()))
}

fn is_test(path: &str) -> bool {
    !path.contains("/src/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Returns whether a line of code, outside of strings, has a word that begins with `what`.
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

/// What belongs to a command line or a terminal, and is not named below the driver.
const TERMINAL: &[&str] =
    &["clap", "rustyline", "indicatif", "comfy_table", "IsTerminal", "isatty", "stdin", "stdout", "stderr", "CliError"];

/// The names of [`TERMINAL`] that a line of the service may have: output streams of models, not of this process.
const MODEL_STREAMS: &[&str] = &["stdin_", "stdout_", "stderr_"];

/// Returns whether a line of code has something of a command line or a terminal.
fn is_for_a_terminal(line: &str) -> bool {
    let line = MODEL_STREAMS.iter().fold(line.to_owned(), |line, stream| line.replace(stream, ""));
    line.contains("\\x1b[") || line.contains("\\u{1b}") || TERMINAL.iter().any(|name| names(&line, name))
}

#[test]
fn the_service_has_no_terminal() {
    let mut faults = Vec::new();
    for (path, text) in rust("crates/service").into_iter().filter(|(path, _)| !is_test(path)) {
        for (number, line) in shipped(&text).filter(|(_, line)| is_for_a_terminal(line)) {
            faults.push(format!("{path}:{number}: {}", line.trim()));
        }
    }
    assert_none(&faults, "the service takes plain requests: what has a terminal belongs into `driver`");
    for bad in ["use clap::Parser;", "io::stdout().is_terminal()", "let red = \"\\x1b[31m\";", "fn f() -> CliError"] {
        assert!(is_for_a_terminal(bad), "{bad}");
    }
    assert!(!is_for_a_terminal("access.stderr_tail.len()"));
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
    /// The attribute of exceptions; each gives a reason.
    const EXPECTED: &str = "expect(clippy::disallowed_methods";
    /// Exceptions: the crate that opens files, questions at the terminal, scripts, and the built-in models.
    const PLACES: &[&str] = &[
        "crates/files/src/",
        "crates/driver/src/ui/prompt_secret.rs",
        "crates/driver/src/repl/run.rs",
        "crates/driver/src/example_models/run.rs",
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

/// The commands of `mer` that a sentence can name.
const COMMANDS: &[&str] =
    &["config", "doctor", "export", "import", "log", "migrate", "model", "run", "server", "train", "use", "weights"];

/// The long flags of `mer`, such as `--db-wait`, from the declarations of its grammar.
fn flags() -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for (_, text) in rust("crates/driver/src/cli") {
        let mut declared = false;
        for line in text.lines().map(str::trim) {
            if (line.starts_with("#[arg(") && line.contains("long")) || line.starts_with("long") {
                let named = |key| line.split_once(key).and_then(|(_, rest): (&str, &str)| rest.split('"').next());
                let (name, alias) = (named("long = \""), named("alias = \""));
                flags.extend([name, alias].into_iter().flatten().map(|name| format!("--{name}")));
                declared = name.is_none();
            } else if let (true, Some((field, _))) = (declared && line.starts_with("pub"), line.split_once(':')) {
                let field = field.rsplit(' ').next().unwrap_or_default();
                flags.insert(format!("--{}", field.replace('_', "-")));
                declared = false;
            }
        }
    }
    flags
}

/// What a line of a library knows of the command line, if it does: a flag, a command, or exit codes of `mer`.
fn knows_the_command_line(line: &str, flags: &BTreeSet<String>) -> Option<String> {
    if line.contains("fn exit_code(") || line.contains("enum ExitCode") || line.contains("struct ExitCode") {
        return Some("an exit code".to_owned());
    }
    if let Some(at) = line.find("`mer ") {
        return Some(line[at..].chars().take(24).collect());
    }
    let command = COMMANDS.iter().map(|command| format!("mer {command} ")).find(|command| line.contains(command));
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    command.or_else(|| words.find(|word| flags.contains(*word)).map(str::to_owned))
}

#[test]
fn only_the_driver_knows_flags_commands_and_exit_codes() {
    /// Redaction reads command lines, those of `mer` among them.
    const REDACTION: &str = "crates/core/src/redact.rs";
    let flags = flags();
    let mut faults = Vec::new();
    for (path, text) in rust("crates") {
        let outside = ["crates/driver/", "crates/testkit/", REDACTION].iter().any(|prefix| path.starts_with(prefix));
        if outside || is_test(&path) {
            continue;
        }
        for (number, line) in shipped(&text) {
            if let Some(what) = knows_the_command_line(line, &flags) {
                faults.push(format!("{path}:{number}: {what}: {}", line.trim()));
            }
        }
    }
    assert_none(&faults, "a library classifies its errors (`FailureKind`); hints and exit codes are the driver's");
    let codes = read("crates/driver/src/errors/exit_code.rs");
    assert!(codes.contains("enum ExitCode"), "the exit codes have moved");
}

#[test]
fn a_library_that_knows_the_command_line_is_noticed() {
    let flags = flags();
    for flag in ["--db-wait", "--data-dir", "--allow-changes", "--server", "--sql-dir"] {
        assert!(flags.contains(flag), "{flag} is not among {flags:?}");
    }
    for bad in [
        r#"Some("wait for it, or allow a longer wait with `--db-wait`".into())"#,
        r#"format!("`{model}` is shown by `mer weights list {model}`")"#,
        r#"format!("mer server ping {server}, which shows each step")"#,
        "    pub fn exit_code(&self) -> u8 {",
        "pub enum ExitCode {}",
    ] {
        assert!(knows_the_command_line(bad, &flags).is_some(), "{bad}");
    }
    for good in [
        r#"#[error("the command `{command}` does not exist: looked in {searched}")]"#,
        r#""rows that follow in the text are for `psql`: `pg_dump --inserts` writes statements instead";"#,
        "    pub exit_code: Option<i32>,",
        "pub fn watcher_main() -> ExitCode {",
    ] {
        assert_eq!(knows_the_command_line(good, &flags), None, "{good}");
    }
}
