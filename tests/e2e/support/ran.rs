//! The result of a `mer`.

use std::process::ExitStatus;

use serde_json::Value;

/// Exit code and outputs of a `mer` that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// Standard output as text; invalid UTF-8 is replaced.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Standard output as bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Ran {
    pub(crate) fn new(status: ExitStatus, stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: status.code(), stdout: text(&stdout), stderr: text(stderr), bytes: stdout }
    }

    /// Returns stdout; the exit code must be 0 and stderr empty.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// Returns stderr; the exit code must be this one and stdout empty.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }

    /// Returns both outputs; the exit code must be this one.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Returns the JSON objects of stdout, one on each line.
    #[track_caller]
    pub(crate) fn objects(self) -> Vec<Value> {
        let text = self.ok();
        text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    /// Returns the only JSON object of stdout.
    #[track_caller]
    pub(crate) fn object(self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.remove(0)
    }
}
