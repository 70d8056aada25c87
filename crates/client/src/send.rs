//! What a client sends to the resident while its run goes on: its input and its cancellation.

use std::io;

use bytes::Bytes;
use mer_meal::{Cancel, CancelLevel, Input};
use serde::Serialize;
use tokio::{
    io::AsyncWriteExt as _,
    net::unix::OwnedWriteHalf,
    sync::{Mutex, mpsc, watch},
};

use crate::{
    error::ClientError,
    wire::{FrameError, INPUT_WINDOW, InputEnd, MAX_FRAME, Stream, encoded, write_frame},
};

/// Maximum number of bytes of an input that is sent together with the word to start.
pub(crate) const MAX_TOGETHER: usize = 4096;

/// Sends the word to start and a short input, in one write.
pub(crate) async fn send_start(writer: &Mutex<OwnedWriteHalf>, input: &[u8]) -> Result<(), ClientError> {
    let end = serde_json::to_vec(&InputEnd { error: None }).map_err(FrameError::from)?;
    let mut frames = encoded(Stream::Go, &[])?.to_vec();
    if !input.is_empty() {
        frames.extend_from_slice(&encoded(Stream::Stdin, input)?);
    }
    frames.extend_from_slice(&encoded(Stream::StdinEnd, &end)?);
    writer.lock().await.write_all(&frames).await.map_err(|_| ClientError::Gone)
}

/// Sends each level of a cancellation once. Never returns before the second.
pub(crate) async fn send_cancel(writer: &Mutex<OwnedWriteHalf>, cancel: &Cancel) {
    for (level, number) in [(CancelLevel::Cancel, 1), (CancelLevel::Now, 2)] {
        cancel.reached(level).await;
        if send(writer, Stream::Cancel, &[number]).await.is_err() {
            return;
        }
    }
}

/// Sends the input, at most [`INPUT_WINDOW`] bytes ahead of what was taken. What fails is noticed by the receiving end.
pub(crate) async fn send_input(writer: &Mutex<OwnedWriteHalf>, input: Input, mut window: watch::Receiver<u64>) {
    let mut sent = 0_u64;
    let end = match input {
        Input::Bytes(bytes) => send_chunk(writer, bytes, &mut sent, &mut window).await.map(|()| None),
        Input::Stream(mut stream) => send_stream(writer, &mut stream, &mut sent, &mut window).await,
    };
    if let Ok(error) = end {
        let _ = send_json(writer, Stream::StdinEnd, &InputEnd { error }).await;
    }
}

/// Sends a stream. Returns why it could not be read to its end, if it could not.
async fn send_stream(
    writer: &Mutex<OwnedWriteHalf>,
    stream: &mut mpsc::Receiver<io::Result<Bytes>>,
    sent: &mut u64,
    window: &mut watch::Receiver<u64>,
) -> Result<Option<String>, ClientError> {
    while let Some(chunk) = stream.recv().await {
        match chunk {
            Ok(chunk) => send_chunk(writer, chunk, sent, window).await?,
            Err(error) => return Ok(Some(error.to_string())),
        }
    }
    Ok(None)
}

pub(crate) async fn send_chunk(
    writer: &Mutex<OwnedWriteHalf>,
    chunk: Bytes,
    sent: &mut u64,
    window: &mut watch::Receiver<u64>,
) -> Result<(), ClientError> {
    let mut rest = chunk;
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(MAX_FRAME / 4));
        let length = part.len() as u64;
        let fits = |taken: &u64| *sent + length <= *taken + INPUT_WINDOW as u64;
        if window.wait_for(fits).await.is_err() {
            return Err(ClientError::Gone);
        }
        send(writer, Stream::Stdin, &part).await?;
        *sent += length;
    }
    Ok(())
}

pub(crate) async fn send(writer: &Mutex<OwnedWriteHalf>, stream: Stream, payload: &[u8]) -> Result<(), ClientError> {
    write_frame(&mut *writer.lock().await, stream, payload).await.map_err(Into::into)
}

pub(crate) async fn send_json(
    writer: &Mutex<OwnedWriteHalf>,
    stream: Stream,
    message: &impl Serialize,
) -> Result<(), ClientError> {
    send(writer, stream, &serde_json::to_vec(message).map_err(FrameError::from)?).await
}
