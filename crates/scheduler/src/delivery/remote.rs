//! Delivers weights to another machine with shell scripts, over connections like those of runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Exit};
use mer_meal::{Cancel, CancelLevel, EndCause, Executor, Input, OWN_CHECK, RequestEnd, SentHook};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    cache::{WeightsCache, file_name},
    error::DeliveryError,
    lock::DeliveryLock,
    payload_source::PayloadSource,
    progress::DeliveryProgress,
    remote_scripts as script,
};
use crate::{
    placement::Placement,
    remote_shell::{RemoteScript, last_stderr_line, no_input},
    request::Weights,
};

/// Bound on looking for a file, in seconds.
const LOOKUP_SECS: u64 = 60;

/// A transfer without progress for this long is abandoned. The server hashes what it received within this time.
const STALL_BOUND: Duration = Duration::from_secs(300);

/// Maximum number of chunks that wait for the connection.
const QUEUE: usize = 4;

/// One delivery to one server.
pub(super) struct RemoteDelivery<'a> {
    pub(super) cache: &'a WeightsCache,
    pub(super) executor: &'a Executor,
    pub(super) placement: &'a Placement,
    pub(super) weights: &'a Weights,
    pub(super) cancel: &'a Cancel,
}

/// Answer of a script.
enum Answer {
    /// The weights are at this path.
    Stored(String),
    /// There is no such file.
    Missing,
    /// A file with another hash was removed, or did not arrive correctly.
    Differs,
    /// There is a file that has to be hashed.
    Unverified,
}

/// Lowest speed, in bytes a second, at which a server is expected to read and hash a file.
const MIN_HASH_SPEED: u64 = 10_000_000;

impl RemoteDelivery<'_> {
    /// Returns the path of the weights on the server. They are transferred unless they are there already.
    pub(super) async fn deliver(&self, progress: &DeliveryProgress) -> Result<String, DeliveryError> {
        if let Answer::Stored(path) = self.look_up().await? {
            return Ok(path);
        }
        let version = &self.weights.version;
        let name = format!(".{}.{}.lock", version.sha256, self.placement.server);
        let _lock = tokio::select! {
            biased;
            lock = DeliveryLock::acquire(self.cache.folder(), &name) => lock,
            () = self.cancel.reached(CancelLevel::Cancel) => return Err(DeliveryError::Cancelled),
        };
        // Another process may have delivered them meanwhile.
        let mut found = self.look_up().await?;
        if matches!(found, Answer::Unverified) {
            found = self.verify().await?;
        }
        match found {
            Answer::Stored(path) => return Ok(path),
            Answer::Differs => {
                let server = &self.placement.server;
                tracing::warn!("the weights `{version}` on `{server}` were changed, and are transferred again");
            }
            Answer::Missing | Answer::Unverified => {}
        }
        let local = tokio::select! {
            biased;
            file = self.cache.open(version) => file.map(PayloadSource::File),
            () = self.cancel.reached(CancelLevel::Cancel) => return Err(DeliveryError::Cancelled),
        };
        let from_database = || PayloadSource::of_database(self.cache.database(), version);
        if let Answer::Stored(path) = self.upload(local.unwrap_or_else(from_database), progress).await? {
            return Ok(path);
        }
        // The local file may be damaged.
        self.cache.forget(version);
        match self.upload(from_database(), progress).await? {
            Answer::Stored(path) => Ok(path),
            _ => Err(DeliveryError::Differs { version: self.version(), server: self.placement.server.clone() }),
        }
    }

    /// Looks for the file without reading it.
    async fn look_up(&self) -> Result<Answer, DeliveryError> {
        self.run(script::LOOK, Bound::secs(LOOKUP_SECS), no_input(), None).await
    }

    /// Hashes the file on the server.
    async fn verify(&self) -> Result<Answer, DeliveryError> {
        let bound = Bound::secs(LOOKUP_SECS.saturating_add(self.weights.version.bytes / MIN_HASH_SPEED));
        self.run(script::CHECK, bound, no_input(), None).await
    }

    /// Transfers the file to the server.
    async fn upload(&self, source: PayloadSource, progress: &DeliveryProgress) -> Result<Answer, DeliveryError> {
        let (chunks, input) = mpsc::channel(QUEUE);
        let sent = Arc::new(AtomicU64::new(0));
        let hook: SentHook = Box::new({
            let (sent, progress) = (Arc::clone(&sent), progress.clone());
            move |bytes: Bytes| {
                let count = bytes.len() as u64;
                progress.transferred(sent.fetch_add(count, Ordering::Relaxed) + count);
            }
        });
        let both = async {
            let stored = self.run(script::KEEP, Bound::Never, Input::Stream(input), Some(hook));
            tokio::join!(source.send(chunks), stored)
        };
        let (read, stored) = tokio::select! {
            biased;
            both = both => both,
            () = stalled(&sent) => return Err(self.lost(format!("no progress for {}", Bound::After(STALL_BOUND)))),
        };
        // The server's answer to incomplete bytes matters less than why they are incomplete.
        read.map_err(|source| DeliveryError::Database { version: self.version(), source })?;
        stored
    }

    /// Runs a script on the server, and returns its answer.
    async fn run(
        &self,
        script: &str,
        timeout: Bound,
        input: Input,
        sent: Option<SentHook>,
    ) -> Result<Answer, DeliveryError> {
        let text = format!("{OWN_CHECK}{script}");
        let script = RemoteScript {
            text: &text,
            name: "mer",
            arguments: self.arguments(),
            timeout,
            grace: Bounds::default().grace,
        };
        let running = tokio::select! {
            biased;
            started = script.start(self.executor) => started?,
            () = self.cancel.reached(CancelLevel::Cancel) => return Err(DeliveryError::Cancelled),
        };
        let (ended, answer) = running.answer(input, sent, self.cancel).await;
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(0))) => self.parse(&answer),
            (EndCause::Done, Some(Exit::Lost)) => {
                Err(self.lost(ended.lost.unwrap_or_else(|| "the connection was lost".to_owned())))
            }
            (EndCause::Cancelled, _) => Err(DeliveryError::Cancelled),
            (EndCause::Timeout { .. }, _) => Err(self.lost(format!("no answer within {timeout}"))),
            _ => Err(self.refused(reason(&ended))),
        }
    }

    /// Returns the arguments of every script, as `remote_scripts.rs` describes them.
    fn arguments(&self) -> Vec<String> {
        let Weights { version, .. } = self.weights;
        let conn = &self.placement.conn;
        let limit = conn.cache_limit.unwrap_or_else(|| self.cache.limit());
        vec![
            conn.cache_dir.clone().unwrap_or_default(),
            file_name(version),
            version.bytes.to_string(),
            limit.bytes().to_string(),
            Uuid::now_v7().to_string(),
        ]
    }

    fn parse(&self, answer: &[u8]) -> Result<Answer, DeliveryError> {
        let text = String::from_utf8_lossy(answer);
        let line = text.trim_end_matches('\n');
        match line.strip_prefix(script::STORED) {
            Some(path) if std::str::from_utf8(answer).is_ok() => Ok(Answer::Stored(path.to_owned())),
            None if line == script::MISSING => Ok(Answer::Missing),
            None if line == script::DIFFERS => Ok(Answer::Differs),
            None if line == script::UNVERIFIED => Ok(Answer::Unverified),
            _ => Err(self.refused(format!("its shell answered `{}`", line.escape_debug()))),
        }
    }

    fn version(&self) -> String {
        self.weights.version.to_string()
    }

    fn refused(&self, message: String) -> DeliveryError {
        DeliveryError::Refused { version: self.version(), server: self.placement.server.clone(), message }
    }

    fn lost(&self, detail: String) -> DeliveryError {
        DeliveryError::Lost { version: self.version(), server: self.placement.server.clone(), detail }
    }
}

/// Returns why a script failed.
fn reason(ended: &RequestEnd) -> String {
    last_stderr_line(ended).unwrap_or_else(|| match ended.exit {
        Some(exit) => format!("its shell {exit}"),
        None => "the end of its shell was not observed".to_owned(),
    })
}

/// Returns when no byte was sent for [`STALL_BOUND`].
async fn stalled(sent: &AtomicU64) {
    let mut before = None;
    loop {
        let now = sent.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(STALL_BOUND).await;
    }
}
