//! Forwards a model's output to its reader while the model runs.

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
    OutputConfirmation, WaitObserver,
    digest::Digest,
    outcome::Verdict,
    record::now,
    wait::{ReportedWait, Wait},
};

/// Time that the reader has for the rest of the output of a run that was cancelled or ran out of time.
const GIVEN_UP_BOUND: Duration = Duration::from_millis(250);

/// Time that the reader has for the rest of the output of a run that ended within its bound, after that bound.
const IN_TIME_BOUND: Duration = Duration::from_secs(2);

/// Hashes output and forwards it, until the model has closed its output or the reader is gone. Returns the sha256 in
/// hexadecimal if `hashes`.
pub(crate) async fn forward(
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

/// What is reported once the bound of a run has passed.
pub(crate) struct LateRun<'a> {
    pub(crate) model: &'a str,
    pub(crate) bound: Bound,
    pub(crate) observer: Option<&'a WaitObserver>,
}

impl LateRun<'_> {
    fn report(&self) -> ReportedWait {
        ReportedWait::begin(self.observer, || Wait::End { model: self.model.to_owned() })
    }
}

/// Drives a run and the forwarding of its output at the same time. Returns how the run ended, and the hash of its output.
///
/// A reader that takes nothing delays the end of a run no longer than the run's own bound or a signal. The rest of the output
/// is given up then, and there is no hash.
pub(crate) async fn run_and_forward(
    run: impl Future<Output = RequestEnd>,
    forwarding: impl Future<Output = Option<String>>,
    late: LateRun<'_>,
    cancel: &Cancel,
) -> (RequestEnd, Option<String>) {
    let deadline = late.bound.deadline(Instant::now());
    pin!(run, forwarding);
    let mut hash = None;
    let mut reported = None;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut run => break ended,
            forwarded = &mut forwarding, if hash.is_none() => hash = Some(forwarded),
            () = until(deadline), if reported.is_none() => reported = Some(late.report()),
        }
    };
    drop(reported);
    let hash = match hash {
        Some(hash) => hash,
        None if ended.cause == EndCause::Done => tokio::select! {
            biased;
            hash = &mut forwarding => hash,
            () = reader_bound(deadline, cancel) => None,
        },
        None => timeout(GIVEN_UP_BOUND, forwarding).await.unwrap_or_default(),
    };
    (ended, hash)
}

/// Asks whether the output was written, and changes the verdict if it was not.
pub(crate) async fn confirm_output(
    confirmation: OutputConfirmation,
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
            return reader_bound(deadline, cancel).await;
        }
        tokio::select! {
            () = cancel.reached(CancelLevel::Now) => {}
            () = sleep(IN_TIME_BOUND) => {}
        }
    };
    tokio::select! {
        biased;
        written = confirmation.ask(succeeded) => verdict.with_output(written),
        () = wait => match succeeded {
            true => Verdict::output_not_taken(cancel.level() != CancelLevel::None),
            false => verdict,
        },
    }
}

/// Returns when the reader of the output is not waited for any longer: some time after the deadline or a signal.
async fn reader_bound(deadline: Option<Instant>, cancel: &Cancel) {
    let late = async {
        until(deadline).await;
        // The model was in time. Its reader, or a machine that was suspended, gets some time to take the output.
        sleep(IN_TIME_BOUND).await;
    };
    tokio::select! {
        () = late => {}
        () = cancel.reached(CancelLevel::Cancel) => sleep(GIVEN_UP_BOUND).await,
    }
}
