//! Keeps the beginning of an input that is a stream, so that a further attempt can be sent the same.

use std::{io, sync::Arc};

use bytes::Bytes;
use mer_meal::Input;
use tokio::sync::{Mutex, mpsc};

/// Maximum number of bytes that are kept.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Maximum number of chunks that wait for the process.
const QUEUE: usize = 4;

/// An input that can be sent several times, up to a maximum size. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReplayedInput(Arc<Mutex<Source>>);

#[derive(Debug)]
struct Source {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    /// What was received so far.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// Whether more was received than is kept, or the stream has failed.
    is_lost: bool,
}

impl Source {
    fn keep(&mut self, chunk: &io::Result<Bytes>) {
        match chunk {
            Ok(chunk) if !self.is_lost && self.kept_bytes + chunk.len() <= MAX_KEPT_BYTES => {
                self.kept_bytes += chunk.len();
                self.kept.push(chunk.clone());
            }
            _ => {
                self.is_lost = true;
                self.kept = Vec::new();
            }
        }
    }
}

impl ReplayedInput {
    /// Keeps what is received of a stream.
    #[must_use]
    pub fn new(chunks: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self(Arc::new(Mutex::new(Source { chunks, kept: Vec::new(), kept_bytes: 0, is_lost: false })))
    }

    /// Returns the input from its beginning. Must be called within a tokio runtime, and only for one attempt at a time.
    #[must_use]
    pub fn open(&self) -> Input {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let source = Arc::clone(&self.0);
        tokio::spawn(async move { forward(&mut *source.lock().await, sender).await });
        Input::Stream(receiver)
    }

    /// Whether the whole of it can be sent once more.
    pub async fn is_whole(&self) -> bool {
        !self.0.lock().await.is_lost
    }
}

/// Sends what was kept, and then the rest. Returns early when the process takes no more.
async fn forward(source: &mut Source, process: mpsc::Sender<io::Result<Bytes>>) {
    for chunk in &source.kept {
        if process.send(Ok(chunk.clone())).await.is_err() {
            return;
        }
    }
    loop {
        let chunk = tokio::select! {
            biased;
            () = process.closed() => return,
            chunk = source.chunks.recv() => chunk,
        };
        let Some(chunk) = chunk else { return };
        source.keep(&chunk);
        if process.send(chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: Input) -> (usize, bool) {
        let Input::Stream(mut chunks) = input else { panic!("a stream") };
        let (mut bytes, mut failed) = (0, false);
        while let Some(chunk) = chunks.recv().await {
            match chunk {
                Ok(chunk) => bytes += chunk.len(),
                Err(_) => failed = true,
            }
        }
        (bytes, failed)
    }

    #[tokio::test]
    async fn an_input_that_was_read_in_part_is_sent_from_its_beginning() {
        let (sender, receiver) = mpsc::channel(8);
        for text in ["one", "two", "three"] {
            sender.send(Ok(Bytes::from(text))).await.expect("sent");
        }
        let input = ReplayedInput::new(receiver);
        let Input::Stream(mut chunks) = input.open() else { panic!("a stream") };
        assert_eq!(chunks.recv().await.expect("a chunk").expect("bytes"), "one");
        drop(chunks);
        assert!(input.is_whole().await);
        let (rest, ()) = tokio::join!(all(input.open()), async { drop(sender) });
        assert_eq!(rest, (11, false));
    }

    #[tokio::test]
    async fn an_input_that_is_too_long_or_fails_is_not_sent_again() {
        let (sender, receiver) = mpsc::channel(8);
        let input = ReplayedInput::new(receiver);
        let chunk = Bytes::from(vec![b'x'; MAX_KEPT_BYTES / 2]);
        let sending = async {
            for _ in 0..3 {
                sender.send(Ok(chunk.clone())).await.expect("sent");
            }
            drop(sender);
        };
        let (read, ()) = tokio::join!(all(input.open()), sending);
        assert_eq!(read, (3 * (MAX_KEPT_BYTES / 2), false));
        assert!(!input.is_whole().await);

        let (sender, receiver) = mpsc::channel(8);
        let input = ReplayedInput::new(receiver);
        sender.send(Err(io::Error::other("gone"))).await.expect("sent");
        drop(sender);
        assert_eq!(all(input.open()).await, (0, true));
        assert!(!input.is_whole().await);
    }
}
