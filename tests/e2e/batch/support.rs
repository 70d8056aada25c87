//! An environment with models for batches.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Live, Ran, TestEnv, run};

/// `work` notes each line in the file `asked`, and obeys some of them. `once` ends with its item.
pub(super) const MODELS: &str = r#"
[models.work]
protocol = "lines"
shell = true
grace = "300ms"
inferenceCommand = '''
while IFS= read -r line; do
    echo "$line" >>asked
    case $line in
        die) exit 9 ;;
        hang) echo $$ >hang.pid; sleep 600 ;;
        none) : ;;
        two) printf 'one\ntwo\n' ;;
        big) head -c 104857600 /dev/zero | tr '\0' x; echo ;;
        gate) until [ -e go ]; do sleep 0.02; done; echo "got gate" ;;
        *) echo "got $line" ;;
    esac
done'''

[models.plain]
protocol = "lines"
shell = true
inferenceCommand = "while IFS= read -r line; do echo \"got $line\"; done"

[models.banner]
protocol = "lines"
shell = true
inferenceCommand = "echo welcome; while read -r line; do echo \"got $line\"; done"

[models.eager]
protocol = "lines"
shell = true
inferenceCommand = "sleep 0.5; echo 'got a'; sleep 0.5; read -r line; echo 'got b'; echo 'got c'; read -r line; read -r line"

[models.once]
shell = true
inferenceCommand = "read -r line; case $line in bad) exit 3 ;; slow) sleep 600 ;; esac; echo \"got $line\""
grace = "300ms"
"#;

/// An environment with models for batches.
pub(super) struct BatchEnv {
    pub(super) env: TestEnv,
}

impl BatchEnv {
    pub(super) fn new() -> Self {
        let env = TestEnv::ready();
        env.apply(MODELS);
        Self { env }
    }

    /// Writes the input of a batch to the file `in`.
    pub(super) fn input(&self, text: impl AsRef<[u8]>) {
        self.env.file("work/in", text);
    }

    /// Returns `mer batch` with these words. Its resident is that of this environment.
    pub(super) fn with(&self, words: &str) -> Command {
        let mut command = self.env.with(["batch"]);
        command.args(shlex::split(words).expect("words")).env("MER_RUNTIME_DIR", self.env.path("runtime"));
        command
    }

    /// Runs `mer batch` with these words.
    #[track_caller]
    pub(super) fn batch(&self, words: &str) -> Ran {
        run(self.with(words))
    }

    /// Starts `mer batch` with these words.
    pub(super) fn start(&self, words: &str) -> Live {
        Live::start(self.with(words), Stdio::null())
    }

    /// Returns a file of the working folder.
    #[track_caller]
    pub(super) fn read(&self, name: &str) -> String {
        self.env.read(&format!("work/{name}"))
    }

    /// Returns the lines that `work` was sent.
    pub(super) fn asked(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.env.path("work/asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Forgets the lines that `work` was sent.
    pub(super) fn forget_asked(&self) {
        self.env.file("work/asked", "");
    }

    /// Returns the objects in a file of JSON lines.
    #[track_caller]
    pub(super) fn objects(&self, name: &str) -> Vec<Value> {
        self.read(name).lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }
}

/// Returns the lines `1` to `count`.
pub(super) fn numbers(count: usize) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

/// Returns the answers to some lines.
pub(super) fn answers(lines: &str) -> String {
    lines.lines().map(|line| format!("got {line}\n")).collect()
}
