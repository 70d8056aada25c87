//! What came of a `mer`.

use std::process::ExitStatus;

use serde_json::Value;

/// How a `mer` ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// Its output as text; what is no UTF-8 is replaced.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Its output as it is.
    pub(crate) bytes: Vec<u8>,
}

impl Ran {
    pub(crate) fn new(status: ExitStatus, stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: status.code(), stdout: text(&stdout), stderr: text(stderr), bytes: stdout }
    }

    /// What it wrote, after a success that had nothing to say on stderr.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// What it said on stderr, after a failure with this code that wrote nothing to stdout.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }

    /// The same as [`Ran::failed`], with something on stdout.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Its output as one object a line.
    #[track_caller]
    pub(crate) fn objects(self) -> Vec<Value> {
        let text = self.ok();
        text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    /// Its output as the one object that it is.
    #[track_caller]
    pub(crate) fn object(self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.remove(0)
    }
}
