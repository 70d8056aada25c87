//! Runs a model in the resident.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mer_meal::{Cancel, Input};
use mer_scheduler::{DeliveryEvent, DeliveryObserver, Outcome, OutputConfirmation, OutputFailure};
use serde::de::DeserializeOwned;
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
    liveness::until_over,
    location::Location,
    send::{MAX_TOGETHER, send, send_cancel, send_input, send_json, send_start},
    wire::{
        AttemptMessage, Declined, ErrorMessage, FrameError, FrameReader, Open, OutputEnd, PATH_RUN, PROTOCOL,
        ProgressMessage, RunEnd, Stream, WaitMessage, Written, encoded,
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
    pub(crate) location: Location,
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
    /// Shows the progress of a delivery of weights.
    pub progress: Option<DeliveryObserver>,
    /// Number of attempts that were begun.
    pub attempts: u32,
    /// Number of retries that were taken for them.
    pub retries: u32,
}

impl RunOutput {
    /// The receivers of a run that begins.
    #[must_use]
    pub fn new(
        stdout: mpsc::Sender<Bytes>,
        stderr: Option<mpsc::Sender<Bytes>>,
        confirmation: OutputConfirmation,
        progress: Option<DeliveryObserver>,
    ) -> Self {
        let (stdout, confirmation) = (Some(stdout), Some(confirmation));
        Self { stdout, stderr, confirmation, passed_on: false, progress, attempts: 1, retries: 0 }
    }
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
            Self::answer(location, stream, head.rest).await
        };
        timeout(RESERVE_BOUND, asked).await.unwrap_or(Err(ClientError::NoAnswer { bound: RESERVE_BOUND }))
    }

    async fn answer(location: &Location, stream: UnixStream, rest: BytesMut) -> Result<Answer, ClientError> {
        let (reader, writer) = stream.into_split();
        let mut frames = FrameReader::new(reader, rest);
        let frame = frames.next().await?.ok_or(ClientError::Gone)?;
        match frame.stream {
            Stream::Reserved => {
                let location = location.clone();
                Ok(Answer::Reserved(Box::new(Self { location, frames, writer })))
            }
            Stream::Declined => Ok(Answer::Declined(read(&frame.payload)?)),
            Stream::Refused => Ok(Answer::Refused(read(&frame.payload)?)),
            other => Err(ClientError::Answer { source: format!("a frame of {other:?} came first").into() }),
        }
    }

    /// Runs it. `wait` is called with what the run waits for, and with nothing when that wait is over.
    ///
    /// # Errors
    /// [`ClientError::Gone`] if the resident ended in the middle: how the run ended is not known.
    /// [`ClientError::Silent`] if it does not answer after the second level of the cancellation: it ends the run when it goes on.
    /// [`ClientError::Unresponsive`] if it has not answered for some minutes.
    /// [`ClientError::Declined`] if it does not run it after all, and started no process.
    /// [`ClientError::Refused`] if it could not be attempted. A run that was attempted and failed is an [`Outcome`].
    pub async fn run(
        self,
        input: Input,
        cancel: &Cancel,
        output: &mut RunOutput,
        wait: impl Fn(Option<String>),
    ) -> Result<Outcome, ClientError> {
        let Self { location, mut frames, writer } = self;
        let writer = Mutex::new(writer);
        let (taken, window) = watch::channel(0_u64);
        // A short input goes with the word to start, so that the resident wakes up once.
        let input = match input {
            Input::Bytes(bytes) if bytes.len() <= MAX_TOGETHER => {
                send_start(&writer, &bytes).await?;
                None
            }
            input => {
                send(&writer, Stream::Go, &[]).await?;
                Some(input)
            }
        };
        let receiving = receive(&mut frames, &writer, &taken, output, wait);
        let send_rest = async {
            if let Some(input) = input {
                send_input(&writer, input, window).await;
            }
        };
        let sending = async {
            tokio::join!(send_rest, send_cancel(&writer, cancel));
        };
        until_over(&location, cancel, receiving, sending).await
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
    let RunOutput { stdout, stderr, confirmation, passed_on, progress, attempts, retries } = output;
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
                return Ok(read::<RunEnd>(&frame.payload)?.into());
            }
            Stream::Attempt => {
                let message: AttemptMessage = read(&frame.payload)?;
                (*attempts, *retries) = (message.attempt, message.retries);
            }
            Stream::Progress => show_progress(progress.as_ref(), &frame.payload)?,
            Stream::Refused => return Err(ClientError::Refused(read(&frame.payload)?)),
            Stream::Declined => {
                let declined: Declined = read(&frame.payload)?;
                *attempts = declined.attempts;
                return Err(ClientError::Declined(declined));
            }
            other => return Err(ClientError::Answer { source: format!("an unexpected frame of {other:?}").into() }),
        }
    }
    Err(ClientError::Gone)
}

/// Shows the progress of a delivery; one without a payload is over.
fn show_progress(observer: Option<&DeliveryObserver>, payload: &[u8]) -> Result<(), ClientError> {
    let Some(observer) = observer else { return Ok(()) };
    if payload.is_empty() {
        observer.report(DeliveryEvent::Over);
        return Ok(());
    }
    let ProgressMessage { server, version, bytes } = read(payload)?;
    observer.report(DeliveryEvent::Transferred { version: &version, server: &server, bytes });
    Ok(())
}

/// The level of a cancellation because the reader of the output has gone.
pub(crate) const READER_GONE: u8 = 3;

pub(crate) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(payload).map_err(|error| FrameError::from(error).into())
}
