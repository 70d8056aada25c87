//! Output on its way from a model to its reader, and what is known of its arrival.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mer_core::{Access, Bound, Status};
use mer_meal::{Cancel, CancelLevel, EndCause, RequestEnd, until};
use tokio::{
    pin,
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    Delivery, Watch,
    digest::Digest,
    outcome::Verdict,
    scheduler::now,
    wait::{Wait, Watched},
};

/// How long the reader may take for the rest of the output of a run that was given up.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// The same once no more output comes, and for an answer that was in time.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// Hashes output and hands it on, until the model is silent or the reader is gone.
pub(crate) async fn hand_on(
    mut received: mpsc::Receiver<Bytes>,
    reader: mpsc::Sender<Bytes>,
    hashes: bool,
) -> Option<String> {
    let mut digest = Digest::new(hashes);
    while let Some(chunk) = received.recv().await {
        digest.update(&chunk);
        if reader.send(chunk).await.is_err() {
            break;
        }
    }
    drop(received);
    digest.finish().1
}

/// What is told once the bound of a run is over.
pub(crate) struct Late<'a> {
    pub(crate) model: &'a str,
    pub(crate) bound: Bound,
    pub(crate) watch: Option<&'a Watch>,
}

impl Late<'_> {
    fn tells(&self) -> Watched {
        Watched::begin(self.watch, || Wait::End { model: self.model.to_owned() })
    }
}

/// A run and the handing on of its output, at once. A reader that takes nothing must not hold up the end of a run for longer
/// than the run's own bound, nor longer than a signal: then the rest is given up, and there is no hash of it.
pub(crate) async fn both(
    run: impl Future<Output = RequestEnd>,
    handing: impl Future<Output = Option<String>>,
    late: Late<'_>,
    cancel: &Cancel,
) -> (RequestEnd, Option<String>) {
    let deadline = late.bound.deadline(Instant::now());
    pin!(run, handing);
    let mut hash = None;
    let mut told = None;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut run => break ended,
            handed = &mut handing, if hash.is_none() => hash = Some(handed),
            () = until(deadline), if told.is_none() => told = Some(late.tells()),
        }
    };
    drop(told);
    let hash = match hash {
        Some(hash) => hash,
        None if ended.cause == EndCause::Done => tokio::select! {
            biased;
            hash = &mut handing => hash,
            () = patience(deadline, cancel) => None,
        },
        None => timeout(LAST_WORDS, handing).await.unwrap_or_default(),
    };
    (ended, hash)
}

/// Asks whether the output has got to where it was to go, and judges anew where it has not.
pub(crate) async fn settle(
    delivery: Delivery,
    access: &mut Access,
    verdict: Verdict,
    deadline: Option<Instant>,
    cancel: &Cancel,
) -> Verdict {
    access.stop_access.get_or_insert_with(now);
    let succeeded = verdict.status == Status::Succeeded;
    let given_up = matches!(verdict.status, Status::Cancelled | Status::Timeout);
    let wait = async {
        if !given_up {
            return patience(deadline, cancel).await;
        }
        tokio::select! {
            () = cancel.reached(CancelLevel::Now) => {}
            () = sleep(LAST_MOMENT) => {}
        }
    };
    tokio::select! {
        biased;
        outcome = delivery.outcome(succeeded) => verdict.delivered(outcome),
        () = wait => match succeeded {
            true => Verdict::not_taken(cancel.level() != CancelLevel::None),
            false => verdict,
        },
    }
}

/// Until a bound or a signal says that nothing is waited for any more; then for a moment longer.
async fn patience(deadline: Option<Instant>, cancel: &Cancel) {
    let late = async {
        until(deadline).await;
        // The model was in time: its reader, or a machine that was asleep, has a moment to take what is there.
        sleep(LAST_MOMENT).await;
    };
    tokio::select! {
        () = late => {}
        () = cancel.reached(CancelLevel::Cancel) => sleep(LAST_WORDS).await,
    }
}
