//! Connects to the socket, and sends plain HTTP requests.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use crate::{
    error::ClientError,
    location::Location,
    wire::{ErrorMessage, FrameError},
};

/// Maximum number of bytes of the head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// Maximum number of bytes of the body of an answer.
const MAX_BODY: u64 = 64 << 20;

/// Connects to the resident, and checks that it runs as this user.
pub(crate) async fn connect(location: &Location, bound: Duration) -> Result<UnixStream, ClientError> {
    let path = location.socket();
    if !location.exists().is_ok_and(|exists| exists) {
        return Err(ClientError::NoResident);
    }
    let connected = timeout(bound, UnixStream::connect(&path)).await.map_err(|_| ClientError::NoAnswer { bound })?;
    let stream = connected.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoResident,
        _ => ClientError::Connect { path: path.clone(), source },
    })?;
    let peer = stream.peer_cred().map_err(|source| ClientError::Connect { path: path.clone(), source })?.uid();
    if peer == rustix::process::getuid().as_raw() {
        Ok(stream)
    } else {
        Err(ClientError::OtherUser { path, uid: peer })
    }
}

/// The head of an HTTP answer, and the bytes after it that were read with it.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) rest: BytesMut,
}

/// Reads the head of an HTTP answer.
pub(crate) async fn read_head(stream: &mut UnixStream) -> Result<Head, ClientError> {
    let mut buffer = BytesMut::with_capacity(4096);
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > MAX_HEAD {
            return Err(ClientError::Answer { source: "its head is too long".into() });
        }
        if stream.read_buf(&mut buffer).await.map_err(|_| ClientError::Gone)? == 0 {
            return Err(ClientError::Gone);
        }
    };
    let head = buffer.split_to(end);
    let line = String::from_utf8_lossy(head[..].split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| ClientError::Answer { source: format!("it begins with `{line}`").into() })?;
    Ok(Head { status, rest: buffer })
}

/// Sends a request with JSON, and reads the JSON of its answer, within the bound.
pub(crate) async fn ask<A: DeserializeOwned>(
    location: &Location,
    method: &str,
    path: &str,
    body: Option<&impl Serialize>,
    bound: Option<Duration>,
) -> Result<A, ClientError> {
    let asked = async {
        let mut stream = connect(location, bound.unwrap_or(CONNECT_BOUND)).await?;
        let body = body.map(serde_json::to_vec).transpose().map_err(FrameError::from)?.unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: mer\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let request: Bytes = [head.as_bytes(), &body].concat().into();
        stream.write_all(&request).await.map_err(|_| ClientError::Gone)?;
        let Head { status, rest } = read_head(&mut stream).await?;
        let mut body = rest.to_vec();
        stream.take(MAX_BODY).read_to_end(&mut body).await.map_err(|_| ClientError::Gone)?;
        if status != 200 {
            let message: ErrorMessage = serde_json::from_slice(&body).map_err(FrameError::from)?;
            return Err(ClientError::Refused(message));
        }
        serde_json::from_slice(&body).map_err(|error| FrameError::from(error).into())
    };
    match bound {
        None => asked.await,
        Some(bound) => timeout(bound, asked).await.unwrap_or(Err(ClientError::NoAnswer { bound })),
    }
}

/// Bound on connecting, if the request has none.
const CONNECT_BOUND: Duration = Duration::from_secs(2);
