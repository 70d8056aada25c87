//! What comes from the client of a run: its input, its cancellation, and whether the output was written.

use std::io;

use bytes::{Bytes, BytesMut};
use mer_client::wire::{Frame, FrameError, FrameReader, INPUT_WINDOW, InputEnd, Stream, Written};
use mer_meal::Cancel;
use tokio::{
    io::AsyncRead,
    sync::{mpsc, oneshot, watch},
};

/// Maximum number of bytes of the input that the model is passed at once.
const CHUNK: usize = 64 << 10;

/// What a client sends after its run may start.
pub(crate) struct ClientInput<R> {
    frames: FrameReader<R>,
    cancel: Cancel,
    /// Whether the input are the items of a part, of which the first level of `cancel` ends the feeding only.
    is_part: bool,
    /// Takes the input; none after its end, and once the model takes no more.
    input: Option<mpsc::Sender<io::Result<Bytes>>>,
    /// What the model has not taken yet, at most [`INPUT_WINDOW`] bytes.
    waiting: BytesMut,
    /// How the input ended, if it has.
    end: Option<InputEnd>,
    /// Number of bytes that were taken.
    taken: watch::Sender<u64>,
    /// Takes whether the output was written.
    written: Option<oneshot::Sender<Written>>,
    /// Is dropped if the reader of the output has gone.
    reader: Option<oneshot::Sender<()>>,
}

/// What the client says of its output, and how much of its input was taken.
pub(crate) struct ClientWords {
    /// Number of bytes of the input that were taken.
    pub(crate) taken: watch::Receiver<u64>,
    /// Whether the output was written.
    pub(crate) written: oneshot::Receiver<Written>,
    /// Ends if the reader of the output has gone.
    pub(crate) reader: oneshot::Receiver<()>,
}

impl<R: AsyncRead + Unpin> ClientInput<R> {
    /// `input` takes the input of the model, `cancel` the cancellation.
    pub(crate) fn new(
        frames: FrameReader<R>,
        input: mpsc::Sender<io::Result<Bytes>>,
        cancel: Cancel,
        is_part: bool,
    ) -> (Self, ClientWords) {
        let (taken, taken_bytes) = watch::channel(0);
        let (written, is_written) = oneshot::channel();
        let (reader, reader_gone) = oneshot::channel();
        let words = ClientWords { taken: taken_bytes, written: is_written, reader: reader_gone };
        let (input, waiting, written, reader) = (Some(input), BytesMut::new(), Some(written), Some(reader));
        (Self { frames, cancel, is_part, input, waiting, end: None, taken, written, reader }, words)
    }

    /// Receives until the client is gone, which cancels the run. A client that sends something else is treated as gone.
    pub(crate) async fn receive(mut self) {
        let error = loop {
            let room = async {
                match (&self.input, self.waiting.is_empty()) {
                    (Some(input), false) => input.clone().reserve_owned().await.ok(),
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                permit = room => self.pass_on(permit),
                frame = self.frames.next() => match frame {
                    Ok(Some(frame)) => match self.take(&frame) {
                        Ok(()) => {}
                        Err(error) => break Some(error),
                    },
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                },
            }
        };
        if let Some(error) = error {
            tracing::debug!(%error, "a client is given up");
        }
        // An input that did not come to its end must not look complete.
        if let (Some(input), None) = (&self.input, &self.end) {
            let _ = input.try_send(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the caller is gone")));
        }
        match self.is_part {
            true => self.cancel.cancel_now(),
            false => self.cancel.cancel(),
        }
        // Nothing waits any longer for a word of this client.
        (self.written, self.reader) = (None, None);
        // The end of the run drops this; an input that is not at its end stays open until then.
        std::future::pending::<()>().await;
    }

    /// Passes a chunk on; without a permit the model takes no more.
    fn pass_on(&mut self, permit: Option<mpsc::OwnedPermit<io::Result<Bytes>>>) {
        let chunk = self.waiting.split_to(self.waiting.len().min(CHUNK)).freeze();
        self.note_taken(chunk.len());
        match permit {
            Some(permit) => drop(permit.send(Ok(chunk))),
            None => {
                self.note_taken(self.waiting.len());
                self.waiting.clear();
                self.input = None;
            }
        }
        self.close_at_end();
    }

    /// Passes the end of the input on, once all before it was.
    fn close_at_end(&mut self) {
        if let (Some(InputEnd { error }), true) = (&self.end, self.waiting.is_empty())
            && let Some(input) = self.input.take()
            && let Some(error) = error
        {
            let error = Err(io::Error::other(error.clone()));
            // The queue is full only while a model takes its input; an end that is lost is one of a run that is cancelled.
            if input.try_send(error).is_err() {
                self.cancel.cancel();
            }
        }
    }

    fn note_taken(&self, bytes: usize) {
        self.taken.send_modify(|taken| *taken += bytes as u64);
    }

    fn take(&mut self, frame: &Frame) -> Result<(), FrameError> {
        match frame.stream {
            Stream::Stdin if self.end.is_none() => {
                let length = frame.payload.len();
                if self.waiting.len() + length > INPUT_WINDOW {
                    return Err(FrameError::TooLong(self.waiting.len() + length));
                }
                if self.input.is_some() {
                    self.waiting.extend_from_slice(&frame.payload);
                } else {
                    // The model takes no more input; the client is told that it was taken, so that it can end.
                    self.note_taken(length);
                }
            }
            Stream::StdinEnd if self.end.is_none() => {
                self.end = Some(serde_json::from_slice(&frame.payload)?);
                self.close_at_end();
            }
            Stream::Cancel => match frame.payload.first() {
                Some(1) => self.cancel.cancel(),
                Some(2) => self.cancel.cancel_now(),
                _ => self.reader = None,
            },
            Stream::Written => {
                let written: Written = serde_json::from_slice(&frame.payload)?;
                if let Some(sender) = self.written.take() {
                    let _ = sender.send(written);
                }
            }
            other => return Err(FrameError::UnknownStream(other as u8)),
        }
        Ok(())
    }
}
