//! Carries stderr of a front that starts a process elsewhere, such as `srun` or `kubectl exec`: what comes before the process
//! begins is the front's, then comes that of the process, and after its end again the front's.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::watch;

use crate::{
    Pipe, StdinPipe,
    exit_marker::{ExitMarker, begin_word},
};

/// Maximum number of bytes of the front's words that are kept.
const MAX_PREAMBLE: usize = 64 * 1024;

/// What a front, such as `srun`, says on stderr beside the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrontWords {
    /// Removes what the front says while the process runs.
    pub(crate) removed: fn(Vec<u8>) -> Vec<u8>,
    /// Whether the front says that it ends the process.
    pub(crate) ends: fn(&[u8]) -> bool,
}

/// The end of stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StderrEnd {
    /// The exit status that the script beside the process reported.
    pub(crate) status: Option<i32>,
    /// Whether the front said that it ends the process.
    pub(crate) cancelled: bool,
}

/// What came on stderr so far.
#[derive(Debug, Default)]
pub(crate) struct StderrRelay {
    preamble: Mutex<Vec<u8>>,
    status: Mutex<Option<i32>>,
    end: watch::Sender<Option<StderrEnd>>,
}

impl StderrRelay {
    /// Carries `stderr` in a task of its own, and returns the end that the reader gets. `word` is that of the marks.
    ///
    /// # Errors
    /// There is no pipe for the reader.
    pub(crate) fn spawn(stderr: Pipe, word: &str, words: FrontWords) -> io::Result<(Pipe, Arc<Self>)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (reader, out) = (Pipe::new(reader)?, StdinPipe::new(writer)?);
        let relay = Arc::new(Self::default());
        let (carrier, word) = (Arc::clone(&relay), word.to_owned());
        tokio::spawn(async move { carrier.carry(stderr, out, &word, words).await });
        Ok((reader, relay))
    }

    /// Returns the exit status, once the script has reported it.
    pub(crate) fn status(&self) -> Option<i32> {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether stderr is at its end.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Returns what the front said before the process began.
    pub(crate) fn preamble(&self) -> String {
        String::from_utf8_lossy(&self.preamble.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits for the end of stderr.
    pub(crate) async fn ended(&self) -> StderrEnd {
        let mut end = self.end.subscribe();
        // The sender lives in `self`, so that the wait cannot fail.
        let found = end.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        found.unwrap_or(StderrEnd { status: None, cancelled: false })
    }

    async fn carry(&self, mut stderr: Pipe, out: StdinPipe, word: &str, words: FrontWords) {
        let mut out = Some(out);
        let (mut begin, mut end) = (ExitMarker::new(&begin_word(word)), ExitMarker::new(word));
        let mut cancelled = false;
        while let Ok(Some(bytes)) = stderr.next().await {
            cancelled |= (words.ends)(&bytes);
            let mut bytes = bytes.to_vec();
            if begin.status().is_none() {
                bytes = self.before(&mut begin, &bytes);
            }
            if begin.status().is_some() && end.status().is_none() {
                let passed = (words.removed)(end.pass_until(&bytes));
                *self.status.lock().unwrap_or_else(PoisonError::into_inner) = end.status();
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

/// Writes to the reader of stderr. A reader that is gone is no error, and the rest is dropped.
async fn write(out: &mut Option<StdinPipe>, mut bytes: &[u8]) {
    while let (Some(pipe), false) = (out.as_mut(), bytes.is_empty()) {
        match pipe.write(bytes).await {
            Ok(count @ 1..) => bytes = &bytes[count..],
            _ => *out = None,
        }
    }
}
