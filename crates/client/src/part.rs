//! Runs a part of a batch in the resident.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::BytesMut;
use mer_meal::{Cancel, ItemReply, PartItems, PartReplies};
use mer_scheduler::PartOutcome;
use tokio::{
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Mutex, Semaphore, watch},
};

use crate::{
    error::ClientError,
    liveness::until_over,
    run::{READER_GONE, Reservation, read},
    send::{send, send_cancel, send_chunk, send_json},
    wire::{Declined, FrameReader, InputEnd, PartCounts, RunEnd, Stream, Written, next_reply, put_item},
};

/// Number of items that are on their way to the resident for each one that its process is sent ahead.
const ON_THE_WAY: usize = 2;

impl Reservation {
    /// Runs a part. The first level of `cancel` ends feeding, the second the process.
    ///
    /// # Errors
    /// [`ClientError::Gone`] if the resident ended in the middle: how the part ended is not known.
    /// [`ClientError::Silent`] if it does not answer after the second level of the cancellation.
    /// [`ClientError::Unresponsive`] if it has not answered for some minutes.
    /// [`ClientError::Declined`] if it does not run it after all, and started no process.
    /// [`ClientError::Refused`] if it could not be attempted. A part that was attempted and failed is a [`PartOutcome`].
    pub async fn run_part(
        self,
        items: &mut dyn PartItems,
        replies: &mut dyn PartReplies,
        pipeline: usize,
        cancel: &Cancel,
    ) -> Result<PartOutcome, ClientError> {
        let Self { location, mut frames, writer } = self;
        let writer = Mutex::new(writer);
        let (taken, window) = watch::channel(0_u64);
        let places = Semaphore::new(pipeline.max(1) * ON_THE_WAY);
        send(&writer, Stream::Go, &[]).await?;
        let receiving = receive(&mut frames, &writer, &taken, &places, replies);
        let sending = async {
            tokio::join!(send_items(&writer, items, window, &places), send_cancel(&writer, cancel));
        };
        until_over(&location, cancel, receiving, sending).await
    }
}

/// Sends the items. What fails is noticed by the receiving end.
async fn send_items(
    writer: &Mutex<OwnedWriteHalf>,
    items: &mut dyn PartItems,
    mut window: watch::Receiver<u64>,
    places: &Semaphore,
) {
    let (mut sent, mut payloads) = (0, Vec::new());
    loop {
        let Ok(place) = places.acquire().await else { return };
        let room = 1 + places.available_permits();
        if poll_fn(|context| items.poll_take(context, room, &mut payloads)).await == 0 && payloads.is_empty() {
            break;
        }
        place.forget();
        places.forget_permits(payloads.len() - 1);
        let mut bytes = BytesMut::new();
        for payload in payloads.drain(..) {
            put_item(&payload, &mut bytes);
        }
        if send_chunk(writer, bytes.freeze(), &mut sent, &mut window).await.is_err() {
            return;
        }
    }
    let _ = send_json(writer, Stream::StdinEnd, &InputEnd { error: None }).await;
}

/// Receives frames until the end of the part.
async fn receive(
    frames: &mut FrameReader<OwnedReadHalf>,
    writer: &Mutex<OwnedWriteHalf>,
    taken: &watch::Sender<u64>,
    places: &Semaphore,
    replies: &mut dyn PartReplies,
) -> Result<PartOutcome, ClientError> {
    let (mut buffer, mut received) = (BytesMut::new(), VecDeque::new());
    let position = AtomicU32::new(0);
    let mut is_wanted = true;
    while let Some(frame) = frames.next().await? {
        match frame.stream {
            Stream::Stdout => {
                buffer.extend_from_slice(&frame.payload);
                while let Some((run_us, output)) = next_reply(&mut buffer)? {
                    let position = position.fetch_add(1, Ordering::Relaxed);
                    received.push_back(ItemReply { position, output, run_us });
                }
                places.add_permits(received.len());
                if is_wanted && !received.is_empty() && !replies.send(&mut received).await {
                    is_wanted = false;
                    let _ = send(writer, Stream::Cancel, &[READER_GONE]).await;
                }
                received.clear();
            }
            Stream::Stderr | Stream::Wait | Stream::Attempt | Stream::Progress => {}
            Stream::InputTaken => {
                let bytes = frame.payload.as_ref().try_into().map(u32::from_be_bytes).unwrap_or_default();
                taken.send_modify(|all| *all += u64::from(bytes));
            }
            // A resident that has ended the part already does not read it; its last word is read next.
            Stream::StdoutEnd => drop(send_json(writer, Stream::Written, &Written { failure: None }).await),
            Stream::End => {
                let end: RunEnd = read(&frame.payload)?;
                let PartCounts { sent, answered } = end.part.unwrap_or(PartCounts { sent: 0, answered: 0 });
                return Ok(PartOutcome { outcome: end.into(), sent, answered });
            }
            Stream::Refused => return Err(ClientError::Refused(read(&frame.payload)?)),
            Stream::Declined => return Err(ClientError::Declined(read::<Declined>(&frame.payload)?)),
            other => return Err(ClientError::Answer { source: format!("an unexpected frame of {other:?}").into() }),
        }
    }
    Err(ClientError::Gone)
}
