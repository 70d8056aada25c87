//! What comes from the client of a run: its input, its cancellation, and whether the output was written.

use std::{collections::VecDeque, io};

use bytes::Bytes;
use mer_client::wire::{Frame, FrameError, FrameReader, INPUT_WINDOW, InputEnd, Stream, Written};
use mer_meal::Cancel;
use tokio::{
    io::AsyncRead,
    sync::{mpsc, oneshot},
};

/// What a client sends after its run may start.
pub(crate) struct ClientInput<R> {
    pub(crate) frames: FrameReader<R>,
    /// Takes the input; none after its end.
    pub(crate) input: Option<mpsc::Sender<io::Result<Bytes>>>,
    /// Takes the number of bytes that were passed on.
    pub(crate) taken: mpsc::UnboundedSender<u32>,
    /// Takes whether the output was written.
    pub(crate) written: Option<oneshot::Sender<Written>>,
    /// Is dropped if the reader of the output has gone.
    pub(crate) reader: Option<oneshot::Sender<()>>,
    pub(crate) cancel: Cancel,
}

impl<R: AsyncRead + Unpin> ClientInput<R> {
    /// Receives until the client is gone, which cancels the run. A client that sends something else is treated as gone.
    pub(crate) async fn receive(mut self) {
        let mut waiting: VecDeque<io::Result<Bytes>> = VecDeque::new();
        let mut bytes = 0;
        let mut ended = false;
        let why = loop {
            let room = async {
                match (&self.input, waiting.is_empty()) {
                    (Some(input), false) => input.clone().reserve_owned().await.ok(),
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                permit = room => {
                    let Some(chunk) = waiting.pop_front() else { continue };
                    let length = chunk.as_ref().map_or(0, Bytes::len);
                    bytes -= length;
                    match permit {
                        Some(permit) => drop(permit.send(chunk)),
                        // The model takes no more input.
                        None => self.input = None,
                    }
                    let _ = self.taken.send(u32::try_from(length).unwrap_or(u32::MAX));
                    if waiting.is_empty() && ended {
                        self.input = None;
                    }
                }
                frame = self.frames.next() => match frame {
                    Ok(Some(frame)) => match self.frame(frame, &mut waiting, &mut bytes, &mut ended) {
                        Ok(()) => {}
                        Err(error) => break Some(error),
                    },
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                },
            }
        };
        if let Some(error) = why {
            tracing::debug!(%error, "a client is given up");
        }
        // An input that did not come to its end must not look complete.
        if !ended && let Some(input) = &self.input {
            let _ = input.try_send(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the caller is gone")));
        }
        self.cancel.cancel();
        // The end of the run drops this.
        std::future::pending::<()>().await;
    }

    fn frame(
        &mut self,
        frame: Frame,
        waiting: &mut VecDeque<io::Result<Bytes>>,
        bytes: &mut usize,
        ended: &mut bool,
    ) -> Result<(), FrameError> {
        match frame.stream {
            Stream::Stdin if !*ended => {
                *bytes += frame.payload.len();
                if *bytes > INPUT_WINDOW {
                    return Err(FrameError::TooLong(*bytes));
                }
                match self.input {
                    Some(_) => waiting.push_back(Ok(frame.payload)),
                    // The model takes no more input; the client is told that it was taken, so that it can end.
                    None => {
                        *bytes -= frame.payload.len();
                        let _ = self.taken.send(u32::try_from(frame.payload.len()).unwrap_or(u32::MAX));
                    }
                }
            }
            Stream::StdinEnd => {
                *ended = true;
                let end: InputEnd = serde_json::from_slice(&frame.payload)?;
                if let Some(error) = end.error {
                    waiting.push_back(Err(io::Error::other(error)));
                }
                if waiting.is_empty() {
                    self.input = None;
                }
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
