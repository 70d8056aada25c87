//! The example models that need an interpreter answer while their standard input stays open, as warm processes must. The
//! tests do not use `mer`: a failure is one of the model, or of the machine's awk or Python.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(model)
}

#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn skipped<T>(why: &str) -> Option<T> {
    eprintln!("SKIPPED: {why}");
    None
}

/// A warm model, which is killed when it is dropped.
struct Model {
    process: Child,
    stdin: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
}

impl Model {
    /// Starts the command that the model's page registers. Returns none, with a message, where its interpreter is
    /// missing; with `CI=true` that fails.
    fn start(name: &str) -> Option<Self> {
        let page = std::fs::read_to_string(folder(name).join("README.md")).expect("the model's page");
        let line = page.lines().find(|line| line.starts_with("inferenceCommand = ")).expect("a command in the page");
        // An array of strings is the same in TOML and JSON.
        let argv: Vec<String> = serde_json::from_str(&line["inferenceCommand = ".len()..]).expect("an array");
        let started = Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(folder(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env_remove("PYTHONUNBUFFERED")
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                assert!(env::var("CI").as_deref() != Ok("true"), "`{}`: {error}", argv[0]);
                return skipped(&format!("`{}`: {error}", argv[0]));
            }
        };
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let (send, answers) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Some(Self { stdin: process.stdin.take(), process, answers })
    }

    fn tell(&mut self, lines: &[&str]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        for line in lines {
            writeln!(stdin, "{line}").expect("the model reads");
        }
    }

    fn expect(&self, lines: &[&str]) {
        for line in lines {
            let answer = self.answers.recv_timeout(PATIENCE);
            assert_eq!(answer.as_deref(), Ok(*line), "after {PATIENCE:?} at most, with standard input still open");
        }
    }

    /// Waits for the end of its output, and of the process.
    fn ends(mut self) {
        assert_eq!(self.answers.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
        assert!(self.process.wait().expect("it can be waited for").success());
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn upper_answers_each_line_at_once_and_leaves_at_end_of_file() {
    let Some(mut upper) = Model::start("upper") else { return };
    for (line, answer) in [("hello", "HELLO"), ("", ""), ("Abc 1-2", "ABC 1-2")] {
        upper.tell(&[line]);
        upper.expect(&[answer]);
    }
    drop(upper.stdin.take());
    upper.ends();
}

#[test]
fn parrot_speaks_token_and_leaves_when_asked() {
    let Some(mut parrot) = Model::start("parrot") else { return };
    parrot.expect(&["@!#READY#!@"]);
    for payload in [&["pieces of eight"][..], &["", "two lines"], &[], &["@!#READY#!@", "@!#EXIT#!@"]] {
        let framed = [&["@!#START#!@"][..], payload, &["@!#STOP#!@"]].concat();
        parrot.tell(&framed);
        parrot.expect(&framed);
    }
    parrot.tell(&["@!#EXIT#!@"]);
    parrot.ends();
}

#[test]
fn parrot_leaves_at_end_of_file() {
    let Some(mut parrot) = Model::start("parrot") else { return };
    parrot.expect(&["@!#READY#!@"]);
    drop(parrot.stdin.take());
    parrot.ends();
}
