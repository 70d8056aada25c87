//! A hermetic environment: nothing of the machine that runs the tests reaches `mer`, and nothing of `mer` gets out.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A home, a working directory and a data folder that nobody else has.
pub(crate) struct TestEnv {
    root: tempfile::TempDir,
}

impl TestEnv {
    /// All of it empty.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("temp dir");
        for folder in ["home", "config", "data", "state", "work"] {
            fs::create_dir(root.path().join(folder)).expect("folder");
        }
        Self { root }
    }

    /// A path in it. `work/` is the working directory.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Writes a file; its folder is made too.
    pub(crate) fn file(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        fs::write(&path, text).expect("file");
        path
    }

    /// `mer`, ready to get arguments. Its environment has only what is set here.
    pub(crate) fn command(&self) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_mer")))
    }

    /// Another name of the binary.
    pub(crate) fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    /// Runs `mer` with these arguments.
    pub(crate) fn mer<const N: usize>(&self, args: [&str; N]) -> Ran {
        Ran::of(self.command().args(args).output().expect("mer"))
    }

    /// Runs `mer` with this on its standard input.
    pub(crate) fn piped<const N: usize>(&self, args: [&str; N], input: impl AsRef<[u8]>) -> Ran {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("mer");
        let mut stdin = child.stdin.take().expect("stdin");
        let input = input.as_ref().to_vec();
        // It may well end without reading all of it.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("mer");
        writer.join().expect("writer");
        Ran::of(output)
    }
}

/// How a `mer` ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What it wrote, after a success that had nothing to say on stderr.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// What it said on stderr, after a failure with this code that wrote nothing to stdout.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        self.stderr
    }
}
