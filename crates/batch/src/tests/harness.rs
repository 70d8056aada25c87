//! Batches in a temporary folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use uuid::Uuid;

use super::fake_runner::{FakeRunner, answer};
use crate::{Batch, BatchError, Event, Input, Observer, Options, Output, Stop, Subject, Summary};

/// A folder with an input `in` and results `out`.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the input, a line an item.
    pub(super) fn input(&self, lines: &[impl AsRef<str>]) {
        let text: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
        fs::write(self.path("in"), text).unwrap();
    }

    pub(super) fn output(&self) -> String {
        fs::read_to_string(self.path("out")).unwrap()
    }

    pub(super) fn batch(&self, options: Options) -> Batch {
        Batch { options, input: Input::File(self.path("in")), output: Output::File(self.path("out")) }
    }

    pub(super) async fn run(&self, options: Options, runner: &FakeRunner) -> Result<Summary, BatchError> {
        run(self.batch(options), runner).await
    }
}

pub(super) fn options() -> Options {
    let subject = Subject { model: "model".to_owned(), ..Subject::default() };
    Options::new(Uuid::now_v7(), subject)
}

pub(super) fn resuming() -> Options {
    Options { resume: true, ..options() }
}

pub(super) fn quiet() -> Observer {
    Arc::new(|_| {})
}

pub(super) async fn run(batch: Batch, runner: &FakeRunner) -> Result<Summary, BatchError> {
    batch.run(Arc::new(runner.clone()), Stop::default(), quiet()).await
}

/// Records events.
pub(super) fn recording() -> (Observer, Arc<Mutex<Vec<Event>>>) {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let recorded = Arc::clone(&events);
    (Arc::new(move |event| recorded.lock().unwrap().push(event)), events)
}

/// The results of an undisturbed run.
pub(super) fn answers(lines: &[impl AsRef<str>]) -> String {
    let answer = |line: &str| String::from_utf8(answer(line.as_bytes())).unwrap();
    lines.iter().map(|line| answer(line.as_ref()) + "\n").collect()
}

/// A stream into a vector.
#[derive(Debug, Clone, Default)]
pub(super) struct Collected(pub(super) Arc<Mutex<Vec<u8>>>);

impl io::Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Names of the files in a folder, sorted.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
