//! Reads a request, within bounds of time and size.

use std::{io, time::Duration};

use bytes::BytesMut;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use super::request::{Request, parse};

/// Bound on a whole request.
const BOUND: Duration = Duration::from_secs(10);
/// Maximum number of bytes of a head.
const MAX_HEAD: usize = 16 << 10;
/// The answer to a client that waits before it sends the body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why there is no request.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The client is gone, or took too long. It gets no answer.
    #[error("the client sent no whole request")]
    Gone,
    /// What it sent is not a request that can be answered.
    #[error("{0}")]
    Malformed(String),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads one request.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Request, ReadError> {
    read_within(BOUND, stream).await
}

async fn read_within(
    bound: Duration,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Request, ReadError> {
    timeout(bound, read(stream)).await.unwrap_or(Err(ReadError::Gone))
}

async fn read(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Request, ReadError> {
    let mut buffer = BytesMut::with_capacity(4096);
    let head = loop {
        if let Some(head) = parse(&buffer).map_err(ReadError::Malformed)? {
            break head;
        }
        if buffer.len() > MAX_HEAD {
            return Err(ReadError::Malformed(format!("the head is longer than {MAX_HEAD} bytes")));
        }
        read_more(stream, &mut buffer).await?;
    };
    drop(buffer.split_to(head.length));
    if head.expects_continue && buffer.len() < head.body_length {
        stream.write_all(CONTINUE).await?;
    }
    while buffer.len() < head.body_length {
        read_more(stream, &mut buffer).await?;
    }
    let body = buffer.split_to(head.body_length).freeze();
    Ok(Request { method: head.method, path: head.path, upgrade: head.upgrade, body, rest: buffer })
}

async fn read_more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<(), ReadError> {
    if stream.read_buf(buffer).await? == 0 { Err(ReadError::Gone) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn a_request_may_come_byte_by_byte_and_has_a_rest() {
        let (mut near, mut far) = duplex(1);
        let sending = async {
            near.write_all(b"POST /p HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").await.expect("sent");
            drop(near);
        };
        let (request, ()) = tokio::join!(read_request(&mut far), sending);
        let request = request.expect("a request");
        assert_eq!((request.path.as_str(), &request.body[..], &request.rest[..]), ("/p", &b"{}"[..], &b""[..]));
        let (mut near, mut far) = duplex(1024);
        near.write_all(b"GET /run HTTP/1.1\r\nUpgrade: mer/1\r\n\r\nframes").await.expect("sent");
        let request = read_request(&mut far).await.expect("a request");
        assert_eq!((request.upgrade.as_deref(), &request.rest[..]), (Some("mer/1"), &b"frames"[..]));
    }

    #[tokio::test]
    async fn silent_cut_and_endless_requests_are_given_up() {
        let (_near, mut far) = duplex(1024);
        assert!(matches!(read_within(Duration::from_millis(50), &mut far).await, Err(ReadError::Gone)));
        let (mut near, mut far) = duplex(1024);
        near.write_all(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\ncut").await.expect("sent");
        drop(near);
        assert!(matches!(read_request(&mut far).await, Err(ReadError::Gone)));
        let (mut near, mut far) = duplex(1 << 20);
        near.write_all(format!("GET /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD + 8192)).as_bytes()).await.expect("sent");
        assert!(matches!(read_request(&mut far).await, Err(ReadError::Malformed(_))));
    }
}
