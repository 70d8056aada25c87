//! What goes to the client of a run.

use std::{cell::Cell, time::Duration};

use bytes::Bytes;
use mer_client::wire::{
    AttemptMessage, FrameError, INPUT_WINDOW, OutputEnd, ProgressMessage, Stream, WaitMessage, Written, write_frame,
};
use mer_core::FailureKind;
use mer_scheduler::{ConfirmationSender, FurtherAttempt, OutputFailure};
use serde::Serialize;
use tokio::{
    io::AsyncWrite,
    sync::{Mutex, MutexGuard, mpsc, oneshot, watch},
    time::timeout,
};

/// Bound on a client that takes no byte of a frame. A reader of the output that is slower holds its own run only.
const FRAME_BOUND: Duration = Duration::from_secs(600);

/// Number of bytes of the input that are taken before the client is told: a quarter of what it may send ahead.
const TOLD: u64 = (INPUT_WINDOW / 4) as u64;

/// The writing half of a connection. A client that does not read delays its own run only.
pub(crate) struct ClientOutput<W> {
    writer: Mutex<W>,
    /// Whether a frame was not written to its end; nothing can follow it.
    is_broken: Cell<bool>,
}

impl<W: AsyncWrite + Unpin> ClientOutput<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer: Mutex::new(writer), is_broken: Cell::new(false) }
    }

    /// Returns the writer, once no frame is being written.
    pub(crate) async fn writer(&self) -> MutexGuard<'_, W> {
        self.writer.lock().await
    }

    /// Writes a frame. If this is dropped in the middle, nothing more is written.
    pub(crate) async fn send(&self, stream: Stream, payload: &[u8]) -> Result<(), FrameError> {
        let mut writer = self.writer.lock().await;
        if self.is_broken.replace(true) {
            return Err(FrameError::Cut);
        }
        let written = timeout(FRAME_BOUND, write_frame(&mut *writer, stream, payload)).await;
        written.unwrap_or(Err(FrameError::Cut))?;
        self.is_broken.set(false);
        Ok(())
    }

    /// Writes a message as JSON.
    pub(crate) async fn send_json(&self, stream: Stream, message: &impl Serialize) -> Result<(), FrameError> {
        self.send(stream, &serde_json::to_vec(message)?).await
    }

    /// Forwards the output, and confirms that it was written there. `reader` ends if its reader has gone.
    pub(crate) async fn forward_stdout(
        &self,
        mut chunks: mpsc::Receiver<Bytes>,
        confirmation: ConfirmationSender,
        written: oneshot::Receiver<Written>,
        mut reader: oneshot::Receiver<()>,
    ) {
        let gone =
            || OutputFailure { kind: FailureKind::ReaderGone, message: "the reader of the output is gone".to_owned() };
        confirmation
            .confirm(async move |expected| {
                loop {
                    let chunk = tokio::select! {
                        biased;
                        // Dropping the chunks cancels the run.
                        _ = &mut reader => return ((), Err(gone())),
                        chunk = chunks.recv() => chunk,
                    };
                    let Some(chunk) = chunk else { break };
                    if self.send(Stream::Stdout, &chunk).await.is_err() {
                        return ((), Err(gone()));
                    }
                }
                let succeeded = expected.get().await;
                if self.send_json(Stream::StdoutEnd, &OutputEnd { succeeded }).await.is_err() {
                    return ((), Err(gone()));
                }
                let result = match written.await {
                    Ok(Written { failure: None }) => Ok(()),
                    Ok(Written { failure: Some((kind, message)) }) => Err(OutputFailure { kind, message }),
                    Err(_) => Err(gone()),
                };
                ((), result)
            })
            .await;
    }

    /// Forwards the diagnostics.
    pub(crate) async fn forward_stderr(&self, mut chunks: mpsc::Receiver<Bytes>) {
        while let Some(chunk) = chunks.recv().await {
            if self.send(Stream::Stderr, &chunk).await.is_err() {
                return;
            }
        }
    }

    /// Forwards further attempts before they begin, and what is waited for, how much of a long input was taken and how far a
    /// delivery of weights is. Of these only the newest state counts.
    pub(crate) async fn forward_progress(
        &self,
        mut further: mpsc::Receiver<FurtherAttempt>,
        mut waits: watch::Receiver<Option<String>>,
        mut taken: watch::Receiver<u64>,
        mut delivery: watch::Receiver<Option<ProgressMessage>>,
    ) {
        let mut told_bytes = 0;
        loop {
            let sent = tokio::select! {
                Some(FurtherAttempt { attempt, retries, told }) = further.recv() => {
                    let sent = self.send_json(Stream::Attempt, &AttemptMessage { attempt, retries }).await;
                    let _ = told.send(());
                    sent
                }
                Ok(()) = delivery.changed() => {
                    let progress = delivery.borrow_and_update().clone();
                    match progress {
                        Some(progress) => self.send_json(Stream::Progress, &progress).await,
                        None => self.send(Stream::Progress, &[]).await,
                    }
                }
                Ok(()) = waits.changed() => {
                    let text = waits.borrow_and_update().clone();
                    self.send_json(Stream::Wait, &WaitMessage { text }).await
                }
                Ok(()) = taken.changed() => {
                    let all = *taken.borrow_and_update();
                    // A short input needs no word, which would only wake the client.
                    if all - told_bytes < TOLD {
                        continue;
                    }
                    let bytes = u32::try_from(all - told_bytes).unwrap_or(u32::MAX);
                    told_bytes = all;
                    self.send(Stream::InputTaken, &bytes.to_be_bytes()).await
                }
                else => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use mer_client::wire::FrameReader;

    use super::*;

    #[tokio::test]
    async fn only_a_long_input_is_answered_with_what_was_taken() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let client = ClientOutput::new(near);
        let (wait, waits) = watch::channel(None);
        let (taken, taken_bytes) = watch::channel(0);
        let mut frames = FrameReader::new(far, BytesMut::new());
        let reading = async {
            taken.send_replace(6);
            tokio::task::yield_now().await;
            wait.send_replace(Some("a place".to_owned()));
            let first = frames.next().await.expect("a frame").expect("one");
            assert_eq!(first.stream, Stream::Wait);
            taken.send_replace(TOLD);
            let second = frames.next().await.expect("a frame").expect("one");
            assert_eq!((second.stream, &second.payload[..]), (Stream::InputTaken, &[0, 4, 0, 0][..]));
        };
        tokio::select! {
            () = client.forward_progress(mpsc::channel(1).1, waits, taken_bytes, watch::channel(None).1) => unreachable!("the senders live"),
            () = reading => {}
        }
    }
}
