//! Frames: the number of a stream, a length, and that many bytes.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Maximum number of bytes of a frame's payload.
pub const MAX_FRAME: usize = 1 << 20;
/// Number of bytes before the payload: the stream, and the length in big-endian order.
const HEADER: usize = 5;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// To the resident: the request, as [`super::Open`]. The first frame.
    Open = 0,
    /// To the resident: bytes of the input.
    Stdin = 1,
    /// To the resident: the end of the input, as [`super::InputEnd`].
    StdinEnd = 2,
    /// To the resident: the run may start. Nothing is started before.
    Go = 3,
    /// To the resident: one byte, the level of a cancellation: 1 polite, 2 at once, 3 if the reader of the output has gone.
    Cancel = 4,
    /// To the resident: whether the output was written, as [`super::Written`].
    Written = 5,
    /// To the client: the resident will run it after `Go`, as [`super::Reserved`].
    Reserved = 16,
    /// To the client: the resident does not run it, as [`super::Declined`]. No process was or will be started. After `Go`, the
    /// last frame.
    Declined = 17,
    /// To the client: bytes of the output.
    Stdout = 18,
    /// To the client: bytes of the diagnostics.
    Stderr = 19,
    /// To the client: what the run waits for, as [`super::WaitMessage`].
    Wait = 20,
    /// To the client: this many bytes of the input were taken (four bytes, big-endian), and as many more may be sent.
    InputTaken = 21,
    /// To the client: the end of the output, as [`super::OutputEnd`].
    StdoutEnd = 22,
    /// To the client: how the run ended, as [`super::RunEnd`]. The last frame.
    End = 23,
    /// To the client: the run could not be attempted, as [`super::ErrorMessage`]. The last frame.
    Refused = 24,
    /// To the client: a further attempt begins, as [`super::AttemptMessage`]. Sent before the attempt is put on record.
    Attempt = 25,
    /// To the client: the progress of a delivery of weights, as [`super::ProgressMessage`]; an empty payload if it is over.
    Progress = 26,
}

impl Stream {
    const ALL: [Self; 17] = [
        Self::Open,
        Self::Stdin,
        Self::StdinEnd,
        Self::Go,
        Self::Cancel,
        Self::Written,
        Self::Reserved,
        Self::Declined,
        Self::Stdout,
        Self::Stderr,
        Self::Wait,
        Self::InputTaken,
        Self::StdoutEnd,
        Self::End,
        Self::Refused,
        Self::Attempt,
        Self::Progress,
    ];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| *stream as u8 == number)
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub stream: Stream,
    /// Its payload, at most [`MAX_FRAME`] bytes.
    pub payload: Bytes,
}

/// Why no frame could be read or written.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The connection ended inside a frame.
    #[error("the connection ended in the middle of a frame")]
    Cut,
    /// The number of the stream is not known.
    #[error("a frame has the unknown stream {0}")]
    UnknownStream(u8),
    /// The frame is longer than [`MAX_FRAME`].
    #[error("a frame has {0} bytes; at most {MAX_FRAME} are allowed")]
    TooLong(usize),
    /// The payload is not what its stream carries.
    #[error("a frame cannot be read")]
    Payload(#[from] serde_json::Error),
}

/// Reads frames. What was read of an incomplete frame is kept, so that [`FrameReader::next`] may be cancelled.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Makes a reader; `read` are bytes that were read already.
    pub fn new(reader: R, read: BytesMut) -> Self {
        Self { reader, buffer: read }
    }

    /// Returns the next frame; none at the end of the connection. Safe to cancel.
    ///
    /// # Errors
    /// The connection failed, ended inside a frame, or carries something else.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
            }
        }
    }

    /// Takes a whole frame from what was read.
    fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((header, rest)) = self.buffer.split_at_checked(HEADER) else {
            self.buffer.reserve(4096);
            return Ok(None);
        };
        let stream = Stream::of(header[0]).ok_or(FrameError::UnknownStream(header[0]))?;
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(FrameError::TooLong(length));
        }
        if rest.len() < length {
            self.buffer.reserve(HEADER + length);
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some(Frame { stream, payload: self.buffer.split_to(length).freeze() }))
    }
}

/// Returns a frame as bytes. The payload has at most [`MAX_FRAME`] bytes.
///
/// # Errors
/// It has more.
pub fn encoded(stream: Stream, payload: &[u8]) -> Result<Bytes, FrameError> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_FRAME);
    let length = length.ok_or(FrameError::TooLong(payload.len()))?;
    let mut bytes = BytesMut::with_capacity(HEADER + payload.len());
    bytes.put_u8(stream as u8);
    bytes.put_u32(length);
    bytes.put_slice(payload);
    Ok(bytes.freeze())
}

/// Writes the payload in as many frames as it takes; at least one.
///
/// # Errors
/// The connection failed.
pub async fn write_frame(
    writer: &mut (impl AsyncWrite + Unpin),
    stream: Stream,
    payload: &[u8],
) -> Result<(), FrameError> {
    if payload.len() <= MAX_FRAME {
        writer.write_all(&encoded(stream, payload)?).await?;
        return Ok(());
    }
    for part in payload.chunks(MAX_FRAME) {
        writer.write_all(&encoded(stream, part)?).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        let mut reader = FrameReader::new(bytes, BytesMut::new());
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[tokio::test]
    async fn frames_read_as_they_were_written() {
        let mut bytes = Vec::new();
        for stream in Stream::ALL {
            write_frame(&mut bytes, stream, b"payload").await.expect("written");
        }
        write_frame(&mut bytes, Stream::Stdout, &vec![b'x'; MAX_FRAME + 1]).await.expect("written");
        let frames = all(&bytes).await.expect("frames");
        assert_eq!(frames.iter().map(|frame| frame.stream).take(17).collect::<Vec<_>>(), Stream::ALL);
        assert_eq!(frames[17..].iter().map(|frame| frame.payload.len()).collect::<Vec<_>>(), [MAX_FRAME, 1]);
    }

    #[tokio::test]
    async fn garbage_cut_and_oversized_frames_are_errors() {
        assert!(matches!(all(b"GET / HTTP/1.1\r\n").await, Err(FrameError::UnknownStream(b'G'))));
        assert!(matches!(all(&[1, 0xff, 0, 0, 0]).await, Err(FrameError::TooLong(_))));
        let whole = encoded(Stream::Stdin, b"abc").expect("a frame");
        for length in 1..whole.len() {
            assert!(matches!(all(&whole[..length]).await, Err(FrameError::Cut)), "{length}");
        }
        assert_eq!(all(b"").await.expect("nothing"), []);
    }

    #[tokio::test]
    async fn a_read_that_is_cancelled_loses_nothing() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(far, BytesMut::new());
        let whole = encoded(Stream::Stdin, b"abc").expect("a frame");
        near.write_all(&whole[..4]).await.expect("written");
        let cut = tokio::time::timeout(std::time::Duration::from_millis(20), reader.next()).await;
        assert!(cut.is_err());
        near.write_all(&whole[4..]).await.expect("written");
        assert_eq!(reader.next().await.expect("a frame").expect("one").payload, "abc");
    }
}
