//! Carries stderr of `srun`: what comes before the process begins is Slurm's, then comes that of the process, and after its
//! end again Slurm's.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::{Pipe, StdinPipe, exit_marker::ExitMarker};

use super::scripts::begin_word;

/// Maximum number of bytes of Slurm's words that are kept.
const MAX_PREAMBLE: usize = 64 * 1024;

/// With these words Slurm says on stderr that it ends a step or a job.
const CANCELLED: [&[u8]; 2] = [b"error: *** STEP ", b"error: *** JOB "];

/// The beginning of a line of `srun`, and what it says of the end of a process.
const BY_SRUN: &[u8] = b"srun: error: ";
const EXITS: [&[u8]; 3] = [b": task 0: Exited with exit code ", b": task 0: Terminated", b": task 0: Killed"];

/// The end of stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StderrEnd {
    /// The exit status that the script of the job reported.
    pub(super) status: Option<i32>,
    /// Whether Slurm said that it ends the job.
    pub(super) cancelled: bool,
}

/// What came on stderr so far.
#[derive(Debug, Default)]
pub(super) struct StderrRelay {
    preamble: Mutex<Vec<u8>>,
    end: watch::Sender<Option<StderrEnd>>,
}

impl StderrRelay {
    /// Carries `stderr` to `out`, in a task of its own. `word` is that of the marks.
    pub(super) fn spawn(stderr: Pipe, out: StdinPipe, word: &str) -> Arc<Self> {
        let relay = Arc::new(Self::default());
        let (carrier, word) = (Arc::clone(&relay), word.to_owned());
        tokio::spawn(async move { carrier.carry(stderr, out, &word).await });
        relay
    }

    /// Returns what Slurm said before the process began.
    pub(super) fn preamble(&self) -> String {
        String::from_utf8_lossy(&self.preamble.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits for the end of stderr.
    pub(super) async fn ended(&self) -> StderrEnd {
        let mut end = self.end.subscribe();
        // The sender lives in `self`, so that the wait cannot fail.
        let found = end.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        found.unwrap_or(StderrEnd { status: None, cancelled: false })
    }

    async fn carry(&self, mut stderr: Pipe, out: StdinPipe, word: &str) {
        let mut out = Some(out);
        let (mut begin, mut end) = (ExitMarker::new(&begin_word(word)), ExitMarker::new(word));
        let mut cancelled = false;
        while let Ok(Some(bytes)) = stderr.next().await {
            cancelled |= CANCELLED.iter().any(|words| bytes.windows(words.len()).any(|part| part == *words));
            let mut bytes = bytes.to_vec();
            if begin.status().is_none() {
                bytes = self.before(&mut begin, &bytes);
            }
            if begin.status().is_some() && end.status().is_none() {
                let passed = without_exit_lines(end.pass(&bytes));
                write(&mut out, &passed).await;
            }
        }
        if begin.status().is_none() {
            self.keep(&begin.rest());
        }
        write(&mut out, &end.rest()).await;
        drop(out);
        self.end.send_replace(Some(StderrEnd { status: end.status(), cancelled }));
    }

    /// Keeps what comes before the mark, and returns what comes after it.
    fn before(&self, begin: &mut ExitMarker, bytes: &[u8]) -> Vec<u8> {
        // Byte by byte, because the marker does not say where it ended.
        for (at, byte) in bytes.iter().enumerate() {
            let passed = begin.pass(std::slice::from_ref(byte));
            self.keep(&passed);
            if begin.status().is_some() {
                return bytes[at + 1..].to_vec();
            }
        }
        Vec::new()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut preamble = self.preamble.lock().unwrap_or_else(PoisonError::into_inner);
        if preamble.len() < MAX_PREAMBLE {
            preamble.extend_from_slice(bytes);
        }
    }
}

/// Removes the lines by which `srun` itself tells how the process ended. They may come before the last of the process's stderr.
/// `srun` writes each of them at once.
fn without_exit_lines(mut bytes: Vec<u8>) -> Vec<u8> {
    let find = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|part| part == text);
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], BY_SRUN).map(|at| from + at) {
        let length = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len() - at, |end| end + 1);
        let line = &bytes[at..at + length];
        if EXITS.iter().any(|text| find(line, text).is_some()) {
            bytes.drain(at..at + length);
            from = at;
        } else {
            from = at + BY_SRUN.len();
        }
    }
    bytes
}

/// Writes to the reader of stderr. A reader that is gone is no error, and the rest is dropped.
async fn write(out: &mut Option<StdinPipe>, mut bytes: &[u8]) {
    while let (Some(pipe), false) = (out.as_mut(), bytes.is_empty()) {
        match pipe.write(bytes).await {
            Ok(count @ 1..) => bytes = &bytes[count..],
            _ => *out = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_exit_lines;

    #[test]
    fn what_srun_says_of_the_end_is_not_the_models() {
        for (text, left) in [
            ("a warningsrun: error: n1: task 0: Exited with exit code 3\nmore\n", "a warningmore\n"),
            ("srun: error: n1: task 0: Killed\n", ""),
            ("srun: error: Node failure on n1\nx", "srun: error: Node failure on n1\nx"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_exit_lines(text.as_bytes().to_vec())), left);
        }
    }
}
