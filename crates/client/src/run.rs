//! Runs a model in the resident.

use std::{collections::VecDeque, io, time::Duration};

use bytes::{Bytes, BytesMut};
use mer_meal::{Cancel, CancelLevel, Input};
use mer_scheduler::{FailureCause, Outcome, OutputConfirmation, OutputFailure};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, mpsc, watch},
    time::timeout,
};

use crate::{
    connection::{connect, read_head},
    error::ClientError,
    location::Location,
    wire::{
        Declined, ErrorMessage, FrameError, FrameReader, INPUT_WINDOW, InputEnd, MAX_FRAME, Open, OutputEnd, PATH_RUN,
        PROTOCOL, RunEnd, Stream, WaitMessage, Written, encoded, write_frame,
    },
};

/// How long a resident may take until it says that it will run a request. One that takes longer is given up: it starts
/// nothing before it is told to.
const RESERVE_BOUND: Duration = Duration::from_secs(2);

/// The answer of a resident to a request.
#[derive(Debug)]
pub enum Answer {
    /// It will run it.
    Reserved(Box<Reservation>),
    /// It will not.
    Declined(Declined),
    /// The request is wrong, wherever it runs.
    Refused(ErrorMessage),
}

/// A run that the resident starts when it is told to. Dropping it gives the run up.
#[derive(Debug)]
pub struct Reservation {
    pub(crate) frames: FrameReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
}

/// Receivers of what a run gives while it lasts. What is left of them after the resident has gone can serve another attempt.
#[derive(Debug)]
pub struct RunOutput {
    /// Stdout, byte for byte; taken when it is complete.
    pub stdout: Option<mpsc::Sender<Bytes>>,
    /// Stderr.
    pub stderr: Option<mpsc::Sender<Bytes>>,
    /// Confirms that the output was written; taken when it is complete.
    pub confirmation: Option<OutputConfirmation>,
    /// Whether a part of the output was passed on.
    pub passed_on: bool,
}

impl Reservation {
    /// Asks the resident to run a model.
    ///
    /// # Errors
    /// There is no resident, or it does not answer in time. Nothing was started.
    pub async fn open(location: &Location, open: &Open) -> Result<Answer, ClientError> {
        let asked = async {
            let mut stream = connect(location, RESERVE_BOUND).await?;
            let upgrade =
                format!("GET {PATH_RUN} HTTP/1.1\r\nHost: mer\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n\r\n");
            let first = encoded(Stream::Open, &serde_json::to_vec(open).map_err(FrameError::from)?)?;
            let bytes = [upgrade.as_bytes(), &first].concat();
            stream.write_all(&bytes).await.map_err(|_| ClientError::Gone)?;
            let head = read_head(&mut stream).await?;
            if head.status != 101 {
                return Err(ClientError::Answer { source: format!("HTTP status {}", head.status).into() });
            }
            Self::answer(stream, head.rest).await
        };
        timeout(RESERVE_BOUND, asked).await.unwrap_or(Err(ClientError::NoAnswer { bound: RESERVE_BOUND }))
    }

    async fn answer(stream: UnixStream, rest: BytesMut) -> Result<Answer, ClientError> {
        let (reader, writer) = stream.into_split();
        let mut frames = FrameReader::new(reader, rest);
        let frame = frames.next().await?.ok_or(ClientError::Gone)?;
        match frame.stream {
            Stream::Reserved => Ok(Answer::Reserved(Box::new(Self { frames, writer }))),
            Stream::Declined => Ok(Answer::Declined(read(&frame.payload)?)),
            Stream::Refused => Ok(Answer::Refused(read(&frame.payload)?)),
            other => Err(ClientError::Answer { source: format!("a frame of {other:?} came first").into() }),
        }
    }

    /// Runs it. `wait` is called with what the run waits for, and with nothing when that wait is over.
    ///
    /// # Errors
    /// [`ClientError::Gone`] if the resident ended in the middle: how the run ended is not known.
    /// [`ClientError::Refused`] if it could not be attempted. A run that was attempted and failed is an [`Outcome`].
    pub async fn run(
        self,
        input: Input,
        cancel: &Cancel,
        output: &mut RunOutput,
        wait: impl Fn(Option<String>),
    ) -> Result<Outcome, ClientError> {
        let Self { mut frames, writer } = self;
        let writer = Mutex::new(writer);
        let (taken, window) = watch::channel(0_u64);
        send(&writer, Stream::Go, &[]).await?;
        let receiving = receive(&mut frames, &writer, &taken, output, wait);
        let sending = async {
            // What cannot be sent any more is noticed by the receiving end.
            tokio::join!(send_input(&writer, input, window), send_cancel(&writer, cancel));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            outcome = receiving => outcome,
            () = sending => Err(ClientError::Gone),
        }
    }
}

/// Receives frames until the end of the run.
async fn receive(
    frames: &mut FrameReader<OwnedReadHalf>,
    writer: &Mutex<OwnedWriteHalf>,
    taken: &watch::Sender<u64>,
    output: &mut RunOutput,
    wait: impl Fn(Option<String>),
) -> Result<Outcome, ClientError> {
    let RunOutput { stdout, stderr, confirmation, passed_on } = output;
    while let Some(frame) = frames.next().await? {
        match frame.stream {
            Stream::Stdout => {
                *passed_on = true;
                let gone = match stdout {
                    Some(stdout) => stdout.send(frame.payload).await.is_err(),
                    None => false,
                };
                if gone {
                    *stdout = None;
                    let _ = send(writer, Stream::Cancel, &[READER_GONE]).await;
                }
            }
            Stream::Stderr => {
                if let Some(stderr) = stderr {
                    let _ = stderr.try_send(frame.payload);
                }
            }
            Stream::Wait => wait(read::<WaitMessage>(&frame.payload)?.text),
            Stream::InputTaken => {
                let bytes = frame.payload.as_ref().try_into().map(u32::from_be_bytes).unwrap_or_default();
                taken.send_modify(|all| *all += u64::from(bytes));
            }
            Stream::StdoutEnd => {
                let end: OutputEnd = read(&frame.payload)?;
                // The writer of the output waits for its end.
                *stdout = None;
                let written = match confirmation.take() {
                    Some(confirmation) => confirmation.ask(end.succeeded).await,
                    None => Ok(()),
                };
                let failure = written.err().map(|OutputFailure { kind, message }| (kind, message));
                // A resident that has ended the run already does not read it; its last word is read next.
                let _ = send_json(writer, Stream::Written, &Written { failure }).await;
            }
            Stream::End => {
                let RunEnd { access, failure, hint, .. } = read(&frame.payload)?;
                let cause = hint.is_some().then_some(FailureCause::Relayed { hint });
                return Ok(Outcome { access, failure, cause });
            }
            Stream::Refused => return Err(ClientError::Refused(read(&frame.payload)?)),
            other => return Err(ClientError::Answer { source: format!("an unexpected frame of {other:?}").into() }),
        }
    }
    Err(ClientError::Gone)
}

/// The level of a cancellation because the reader of the output has gone.
pub(crate) const READER_GONE: u8 = 3;

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
async fn send_input(writer: &Mutex<OwnedWriteHalf>, input: Input, mut window: watch::Receiver<u64>) {
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
    let mut parts: VecDeque<Bytes> = VecDeque::new();
    let mut rest = chunk;
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(MAX_FRAME / 4));
        parts.push_back(part);
    }
    for part in parts {
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

pub(crate) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(payload).map_err(|error| FrameError::from(error).into())
}
