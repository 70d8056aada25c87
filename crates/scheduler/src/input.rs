//! Reads the whole input of a request to a process that stays up: its framing is checked before anything is sent.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use mer_core::{Access, Bound, RunSpec};
use mer_meal::{BoundName, Cancel, CancelLevel, EndCause, Input, check_input, until};

use crate::{
    Request, SchedulerError,
    wait::{Wait, waiting},
};

/// Maximum size of an input for a process that stays up, in bytes. The input is held in memory.
const MAX_WARM_INPUT_BYTES: usize = 64 * 1024 * 1024;

/// Reads the whole input of `request`, checks it, and puts it back as bytes. Returns how the input ended if it did not arrive
/// complete; nothing of it is sent then.
pub(crate) async fn read_whole_input(
    access: &Access,
    spec: &RunSpec,
    request: &mut Request<'_>,
) -> Result<Result<(), EndCause>, SchedulerError> {
    let input = std::mem::replace(&mut request.input, Input::Bytes(Bytes::new()));
    let timeout = spec.bounds.timeout;
    let wait = || Wait::Input { model: access.model.clone(), timeout };
    let collected = collect(&access.model, input, timeout, &request.cancel);
    let payload = match waiting(request.watch.as_ref(), wait, collected).await? {
        Ok(payload) => payload,
        Err(end) => return Ok(Err(end)),
    };
    check_input(spec.protocol, &spec.tokens, &payload)
        .map_err(|source| SchedulerError::Input { model: access.model.clone(), source })?;
    request.input = Input::Bytes(payload);
    Ok(Ok(()))
}

async fn collect(
    model: &str,
    input: Input,
    bound: Bound,
    cancel: &Cancel,
) -> Result<Result<Bytes, EndCause>, SchedulerError> {
    let mut chunks = match input {
        Input::Bytes(bytes) => return Ok(Ok(bytes)),
        Input::Stream(chunks) => chunks,
    };
    let deadline = bound.deadline(Instant::now());
    let mut all = BytesMut::new();
    loop {
        let chunk = tokio::select! {
            biased;
            () = cancel.reached(CancelLevel::Cancel) => return Ok(Err(EndCause::Cancelled)),
            chunk = chunks.recv() => chunk,
            () = until(deadline) => return Ok(Err(EndCause::timeout(BoundName::Timeout, bound))),
        };
        match chunk {
            None => return Ok(Ok(all.freeze())),
            Some(Ok(chunk)) => all.extend_from_slice(&chunk),
            Some(Err(error)) => return Ok(Err(EndCause::InputFailed(error.to_string()))),
        }
        if all.len() > MAX_WARM_INPUT_BYTES {
            return Err(SchedulerError::TooLong { model: model.to_owned(), limit: MAX_WARM_INPUT_BYTES });
        }
    }
}
