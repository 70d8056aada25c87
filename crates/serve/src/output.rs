//! What goes to the client of a run.

use bytes::Bytes;
use mer_client::wire::{FrameError, OutputEnd, Stream, WaitMessage, Written, write_frame};
use mer_scheduler::{ConfirmationSender, OutputFailure};
use serde::Serialize;
use tokio::{
    io::AsyncWrite,
    sync::{Mutex, mpsc, oneshot},
};

/// The writing half of a connection. A client that does not read delays its own run only.
pub(crate) struct ClientOutput<W>(Mutex<W>);

impl<W: AsyncWrite + Unpin> ClientOutput<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }

    /// Writes a frame.
    pub(crate) async fn send(&self, stream: Stream, payload: &[u8]) -> Result<(), FrameError> {
        let mut writer = self.0.lock().await;
        write_frame(&mut *writer, stream, payload).await
    }

    /// Writes a message as JSON.
    pub(crate) async fn send_json(&self, stream: Stream, message: &impl Serialize) -> Result<(), FrameError> {
        self.send(stream, &serde_json::to_vec(message)?).await
    }

    /// Forwards the output, and confirms that it was written there.
    pub(crate) async fn forward_stdout(
        &self,
        mut chunks: mpsc::Receiver<Bytes>,
        confirmation: ConfirmationSender,
        written: oneshot::Receiver<Written>,
        mut reader: oneshot::Receiver<()>,
    ) {
        let gone = || OutputFailure {
            kind: mer_core::FailureKind::ReaderGone,
            message: "the reader of the output is gone".to_owned(),
        };
        confirmation
            .confirm(async move |expected| {
                loop {
                    tokio::select! {
                        biased;
                        // Dropping the chunks cancels the run.
                        _ = &mut reader => return ((), Err(gone())),
                        chunk = chunks.recv() => match chunk {
                            None => break,
                            Some(chunk) if self.send(Stream::Stdout, &chunk).await.is_err() => return ((), Err(gone())),
                            Some(_) => {}
                        },
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

    /// Forwards what is waited for, and how much of the input was taken.
    pub(crate) async fn forward_progress(
        &self,
        mut waits: mpsc::UnboundedReceiver<Option<String>>,
        mut taken: mpsc::UnboundedReceiver<u32>,
    ) {
        loop {
            let sent = tokio::select! {
                Some(text) = waits.recv() => self.send_json(Stream::Wait, &WaitMessage { text }).await,
                Some(bytes) = taken.recv() => self.send(Stream::InputTaken, &bytes.to_be_bytes()).await,
                else => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}
