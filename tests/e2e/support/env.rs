//! An isolated environment: `mer` gets no settings of the machine, and leaves no files outside.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Live, Ran, template};

/// A temporary home, working directory and data folder.
pub(crate) struct TestEnv {
    root: tempfile::TempDir,
}

impl TestEnv {
    /// Makes empty folders.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("temp dir");
        for folder in ["home", "config", "data", "state", "work"] {
            fs::create_dir(root.path().join(folder)).expect("folder");
        }
        Self { root }
    }

    /// Makes folders with a database that has the models of `models.toml`.
    pub(crate) fn ready() -> Self {
        let env = Self::new();
        template::copy_to(&env.path("data/mer"));
        env
    }

    /// Returns a path in the environment. `work/` is the working directory, `data/mer/` the data folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Writes a file and makes its folder.
    pub(crate) fn file(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        fs::write(&path, text).expect("file");
        if path.parent().is_some_and(|folder| folder.ends_with(".ssh")) {
            // Independent of the umask: `mer` does not use files that others can write to.
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        }
        path
    }

    /// Returns the content of a file.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect(path)
    }

    /// Returns the binary under test: the one that cargo built, unless `CARGO_BIN_EXE_mer` names another one at run time.
    pub(crate) fn binary() -> PathBuf {
        std::env::var_os("CARGO_BIN_EXE_mer").map_or_else(|| env!("CARGO_BIN_EXE_mer").into(), PathBuf::from)
    }

    /// Returns `mer` without arguments, with only the variables that are set here.
    pub(crate) fn command(&self) -> Command {
        self.program(&Self::binary())
    }

    /// The same for another program.
    pub(crate) fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .current_dir(self.path("work"));
        command
    }

    /// Returns `mer` with these arguments, not started yet.
    pub(crate) fn with<const N: usize>(&self, args: [&str; N]) -> Command {
        self.with_args(&args)
    }

    /// The same for a slice of arguments.
    pub(crate) fn with_args(&self, args: &[&str]) -> Command {
        let mut command = self.command();
        command.args(args);
        command
    }

    /// Runs `mer` with these arguments, with nothing on its standard input.
    #[track_caller]
    pub(crate) fn mer<const N: usize>(&self, args: [&str; N]) -> Ran {
        run(self.with(args))
    }

    /// The same for a slice of arguments.
    #[track_caller]
    pub(crate) fn mer_args(&self, args: &[&str]) -> Ran {
        run(self.with_args(args))
    }

    /// Runs `mer` with these arguments on the database of this URL.
    #[track_caller]
    pub(crate) fn mer_on<const N: usize>(&self, url: &str, args: [&str; N]) -> Ran {
        let mut command = self.with(args);
        command.env("DB_CONNECTION_URL", url);
        run(command)
    }

    /// Applies a registry file, written to `models.toml` in the working directory; there must be no warning.
    #[track_caller]
    pub(crate) fn apply(&self, text: impl AsRef<[u8]>) {
        self.file("work/models.toml", text);
        self.mer(["apply", "models.toml", "--allow-changes", "--quiet"]).ok();
    }

    /// Starts `mer` with these arguments and an open standard input.
    pub(crate) fn start<const N: usize>(&self, args: [&str; N]) -> Live {
        Live::start(self.with(args), Stdio::piped())
    }

    /// Runs `mer` with this on its standard input.
    #[track_caller]
    pub(crate) fn piped<const N: usize>(&self, args: [&str; N], input: impl AsRef<[u8]>) -> Ran {
        let mut live = self.start(args);
        let mut stdin = live.take_stdin();
        let input = input.as_ref().to_vec();
        // `mer` may end before it has read all of it.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let ran = live.finish();
        writer.join().expect("writer");
        ran
    }

    /// Runs these lines as a script.
    #[track_caller]
    pub(crate) fn script(&self, lines: &[&str]) -> Ran {
        self.piped([], lines.join("\n"))
    }

    /// Returns the recorded accesses of every kind, the newest first.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<Value> {
        self.mer(["log", "list", "--json", "--kind", "all", "--limit", "100000"]).objects()
    }

    /// Returns the only recorded access.
    #[track_caller]
    pub(crate) fn row(&self) -> Value {
        let mut rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }
}

/// Runs a command to its end, with nothing on its standard input.
#[track_caller]
pub(crate) fn run(command: Command) -> Ran {
    Live::start(command, Stdio::null()).finish()
}
