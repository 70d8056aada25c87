//! Whether the resident still answers while something waits for it. One that was stopped (SIGSTOP), or that hangs, closes no
//! connection.

use std::time::Duration;

use mer_meal::{Cancel, CancelLevel};
use tokio::time::{Instant, sleep};

use crate::{
    connection::ask,
    error::ClientError,
    location::Location,
    wire::{PATH_VERSION, VersionMessage},
};

/// Bound on the answer to a question whether the resident is there, of which two in a row are asked.
const SILENCE_BOUND: Duration = Duration::from_millis(500);

/// How a resident is watched while something waits for it: it is given up after about three minutes without an answer. A
/// machine under load may be slow to answer, so that this is much longer than any answer takes.
const WATCH: Watch = Watch { pause: Duration::from_secs(50), bound: Duration::from_secs(10), misses: 3 };

/// How a resident is watched.
#[derive(Debug, Clone, Copy)]
struct Watch {
    /// Pause between two questions.
    pause: Duration,
    /// Bound on an answer.
    bound: Duration,
    /// Number of questions in a row that may have no answer, before it is given up.
    misses: u32,
}

/// Returns version and process id of the resident, within this bound.
pub(crate) async fn version_within(location: &Location, bound: Duration) -> Result<VersionMessage, ClientError> {
    ask(location, "GET", PATH_VERSION, None::<&()>, Some(bound)).await
}

/// Sends and receives until the end was received.
pub(crate) async fn until_over<T>(
    location: &Location,
    cancel: &Cancel,
    receiving: impl Future<Output = Result<T, ClientError>>,
    sending: impl Future<Output = ()>,
) -> Result<T, ClientError> {
    // What cannot be sent any more is noticed by the receiving end.
    let sending = async {
        sending.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        outcome = receiving => outcome,
        () = sending => Err(ClientError::Gone),
        () = silence(location, cancel) => Err(ClientError::Silent),
        error = unresponsive(location, WATCH) => Err(error),
    }
}

/// Waits for an answer for as long as the resident answers other questions.
pub(crate) async fn while_responsive<T>(
    location: &Location,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::select! {
        biased;
        answer = asked => answer,
        error = unresponsive(location, WATCH) => Err(error),
    }
}

/// Completes when the resident has answered nothing for a long time. One that has ended closes its connections, which is
/// noticed elsewhere.
async fn unresponsive(location: &Location, watch: Watch) -> ClientError {
    let (mut missed, mut since) = (0, Instant::now());
    loop {
        sleep(watch.pause).await;
        match version_within(location, watch.bound).await {
            Err(ClientError::NoAnswer { .. }) => missed += 1,
            _ => (missed, since) = (0, Instant::now()),
        }
        if missed >= watch.misses {
            return ClientError::Unresponsive { silent: since.elapsed() };
        }
    }
}

/// Completes when the run was cancelled twice, and the resident answers nothing any more. One that answers ends the run.
async fn silence(location: &Location, cancel: &Cancel) {
    cancel.reached(CancelLevel::Now).await;
    let mut missed = 0;
    while missed < 2 {
        let begun = Instant::now();
        match version_within(location, SILENCE_BOUND).await {
            Ok(_) => missed = 0,
            Err(_) => missed += 1,
        }
        sleep(SILENCE_BOUND.saturating_sub(begun.elapsed())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::timeout,
    };

    use super::*;

    const QUICK: Watch = Watch { pause: Duration::from_millis(20), bound: Duration::from_millis(20), misses: 3 };

    fn there() -> (tempfile::TempDir, Location, UnixListener) {
        let base = tempfile::tempdir().expect("a folder");
        let location = Location::within(&base.path().join("run"), "d").expect("a short path");
        location.create().expect("made");
        let listener = UnixListener::bind(location.socket()).expect("a socket");
        (base, location, listener)
    }

    #[tokio::test]
    async fn a_resident_that_takes_connections_and_answers_nothing_is_given_up() {
        let (_base, location, _listener) = there();
        let watched = timeout(Duration::from_secs(30), unresponsive(&location, QUICK)).await.expect("given up");
        let ClientError::Unresponsive { silent } = watched else { panic!("{watched}") };
        assert!(silent >= 3 * (QUICK.pause + QUICK.bound), "{silent:?}");
    }

    #[tokio::test]
    async fn one_that_answers_or_has_ended_is_not() {
        let (_base, location, listener) = there();
        listener.set_nonblocking(true).expect("a mode");
        let listener = tokio::net::UnixListener::from_std(listener).expect("a listener");
        let answering = async {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let body = r#"{"merVersion":"0.1.0","pid":1,"leaving":false}"#;
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes()).await;
            }
        };
        // Long enough for an answer also on a machine under load.
        let watch = Watch { bound: Duration::from_secs(10), ..QUICK };
        tokio::select! {
            error = unresponsive(&location, watch) => panic!("{error}"),
            () = answering => {}
            () = sleep(Duration::from_millis(300)) => {}
        }
        drop(listener);
        assert!(timeout(Duration::from_millis(300), unresponsive(&location, QUICK)).await.is_err());
    }
}
