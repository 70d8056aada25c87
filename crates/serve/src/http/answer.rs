//! Answers as JSON.

use std::{io, time::Duration};

use mer_client::wire::{ErrorMessage, PROTOCOL};
use mer_core::FailureKind;
use serde::Serialize;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// Bound on a client that does not read its answer.
const BOUND: Duration = Duration::from_secs(10);

/// The status of a connection that becomes one of frames.
const SWITCHING: u16 = 101;

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// Returns an answer with JSON and a final newline.
    pub(crate) fn json(message: &impl Serialize) -> Result<Self, ErrorMessage> {
        let mut body = serde_json::to_vec(message).map_err(|error| {
            ErrorMessage::new(FailureKind::Bug, format!("an answer cannot be written as JSON: {error}"))
        })?;
        body.push(b'\n');
        Ok(Self { status: 200, body })
    }

    /// Returns the answer for a failure, with the status of its kind.
    pub(crate) fn failure(error: &ErrorMessage) -> Self {
        let mut body = serde_json::to_vec(error).unwrap_or_default();
        body.push(b'\n');
        Self { status: status(error.kind), body }
    }

    /// Writes it, within a bound.
    pub(crate) async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.status,
            reason(self.status),
            self.body.len()
        );
        write(stream, &[head.as_bytes(), &self.body].concat()).await
    }

    /// Writes that the connection is one of frames from now on.
    pub(crate) async fn switch(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let head =
            format!("HTTP/1.1 {SWITCHING} {}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n\r\n", reason(SWITCHING));
        write(stream, head.as_bytes()).await
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    timeout(BOUND, stream.write_all(bytes)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Returns the HTTP status that fits a kind of failure.
const fn status(kind: FailureKind) -> u16 {
    match kind {
        FailureKind::Usage => 400,
        FailureKind::Refused => 403,
        FailureKind::NotFound => 404,
        FailureKind::Input => 422,
        FailureKind::Cancelled => 499,
        FailureKind::ModelFailed | FailureKind::Unreachable | FailureKind::Protocol => 502,
        FailureKind::Busy => 503,
        FailureKind::Timeout => 504,
        _ => 500,
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        422 => "Unprocessable Content",
        499 => "Client Closed Request",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_says_its_length_and_closes() {
        let mut written = Vec::new();
        Answer::json(&[1, 2]).expect("JSON").write(&mut written).await.expect("written");
        let text = String::from_utf8(written).expect("a text");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("\r\nContent-Length: 6\r\nConnection: close\r\n\r\n[1,2]\n"), "{text}");
        let error = ErrorMessage::new(FailureKind::Busy, "m");
        let mut written = Vec::new();
        Answer::failure(&error).write(&mut written).await.expect("written");
        assert!(String::from_utf8(written).expect("a text").starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    }
}
