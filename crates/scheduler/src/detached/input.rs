//! The input of a detached run, behind its command.

use std::io;

use bytes::Bytes;
use mer_meal::Input;
use tokio::sync::mpsc;

use crate::digest::Digest;

/// Maximum number of chunks that wait for the connection.
const QUEUE: usize = 4;

/// What was sent of an input.
#[derive(Debug, Default)]
pub(super) struct SentInput {
    pub(super) bytes: u64,
    /// None if hashing was off.
    pub(super) sha256: Option<String>,
    /// Why it could not be read to its end.
    pub(super) failed: Option<io::Error>,
}

/// Returns an input that begins with a command and ends with `end` if it was read whole, and the work that fills it and counts what
/// comes between them.
pub(super) fn behind(
    command: String,
    input: Input,
    end: String,
    hashes: bool,
) -> (Input, impl Future<Output = SentInput>) {
    let (chunks, stream) = mpsc::channel(QUEUE);
    let work = async move {
        let (mut digest, mut failed) = (Digest::new(hashes), None);
        // A receiver that has gone is the fault of the script, which says why.
        let mut is_open = chunks.send(Ok(Bytes::from(command))).await.is_ok();
        match input {
            Input::Bytes(bytes) => {
                digest.update(&bytes);
                if is_open && !bytes.is_empty() {
                    let _ = chunks.send(Ok(bytes)).await;
                }
            }
            Input::Stream(mut source) => {
                while is_open {
                    let next = tokio::select! {
                        next = source.recv() => next,
                        // The script has ended, or was cancelled: a source that says nothing is not waited for.
                        () = chunks.closed() => break,
                    };
                    let Some(chunk) = next else { break };
                    match chunk {
                        Ok(chunk) => {
                            digest.update(&chunk);
                            is_open = chunks.send(Ok(chunk)).await.is_ok();
                        }
                        Err(error) => {
                            let again = io::Error::new(error.kind(), error.to_string());
                            let _ = chunks.send(Err(again)).await;
                            failed = Some(error);
                            break;
                        }
                    }
                }
            }
        }
        if failed.is_none() {
            let _ = chunks.send(Ok(Bytes::from(end))).await;
        }
        drop(chunks);
        let (bytes, sha256) = digest.finish();
        SentInput { bytes, sha256, failed }
    };
    (Input::Stream(stream), work)
}
