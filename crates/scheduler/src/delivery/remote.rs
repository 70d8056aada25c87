//! Weights on another machine. They are brought there over a channel like that of a run, by a few lines of shell.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Exit, Protocol, RunSpec, Tokens};
use mer_meal::{Cancel, CancelLevel, EndCause, Executor, Input, RequestEnd, SentHook, Sinks, oneshot};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    Cache, DeliveryError, cache::file_name, lock::DeliveryLock, payload_source::Source, progress::Told,
    remote_scripts as script,
};
use crate::{Placement, Weights};

/// Looking for a file takes no longer.
const LOOK_SECS: u64 = 60;
const LOOK_BOUND: Bound = Bound::secs(LOOK_SECS);

/// Somebody who takes no byte for so long, and does not end either, takes none any more. A hash of what came is made in
/// that time too.
const STALL: Duration = Duration::from_secs(300);

/// An answer has a path in it, and little else.
const LONGEST: usize = 64 * 1024;

/// Chunks that wait for the connection.
const QUEUE: usize = 4;

/// One delivery to one server.
pub(super) struct There<'a> {
    pub(super) cache: &'a Cache,
    pub(super) executor: &'a Executor,
    pub(super) placement: &'a Placement,
    pub(super) weights: &'a Weights,
    pub(super) cancel: &'a Cancel,
}

/// What the script over there answered.
enum Answer {
    Kept(String),
    Not,
    Differs,
    Doubt,
}

/// No disk that is worth it, and no hash, is slower: bytes in a second.
const SLOWEST: u64 = 10_000_000;

impl There<'_> {
    /// The path over there. They are brought, unless they have been before.
    pub(super) async fn deliver(&self, told: &Told) -> Result<String, DeliveryError> {
        if let Answer::Kept(path) = self.look().await? {
            return Ok(path);
        }
        let version = &self.weights.version;
        let name = format!(".{}.{}.lock", version.sha256, self.placement.server);
        let _lock = tokio::select! {
            biased;
            lock = DeliveryLock::acquire(self.cache.folder(), &name) => lock,
            () = self.cancel.reached(CancelLevel::Cancel) => return Err(DeliveryError::Cancelled),
        };
        // Somebody may have done it meanwhile.
        let mut found = self.look().await?;
        if matches!(found, Answer::Doubt) {
            found = self.check().await?;
        }
        match found {
            Answer::Kept(path) => return Ok(path),
            Answer::Differs => {
                let server = &self.placement.server;
                tracing::warn!("the weights `{version}` on `{server}` were changed, and are brought again");
            }
            Answer::Not | Answer::Doubt => {}
        }
        let here = tokio::select! {
            biased;
            here = self.cache.open(version) => here.map(Source::File),
            () = self.cancel.reached(CancelLevel::Cancel) => return Err(DeliveryError::Cancelled),
        };
        let from_database = || Source::of_database(self.cache.database(), version);
        if let Answer::Kept(path) = self.keep(here.unwrap_or_else(from_database), told).await? {
            return Ok(path);
        }
        // It may well be the file here that is damaged.
        self.cache.forget(version);
        match self.keep(from_database(), told).await? {
            Answer::Kept(path) => Ok(path),
            _ => Err(DeliveryError::Differs { version: self.version(), server: self.placement.server.clone() }),
        }
    }

    async fn look(&self) -> Result<Answer, DeliveryError> {
        self.ask(script::LOOK, LOOK_BOUND, Input::Bytes(Bytes::new()), None).await
    }

    /// Has the hash looked at of what lies there.
    async fn check(&self) -> Result<Answer, DeliveryError> {
        let bound = Bound::secs(LOOK_SECS.saturating_add(self.weights.version.bytes / SLOWEST));
        self.ask(script::CHECK, bound, Input::Bytes(Bytes::new()), None).await
    }

    async fn keep(&self, source: Source, told: &Told) -> Result<Answer, DeliveryError> {
        let (chunks, input) = mpsc::channel(QUEUE);
        let sent = Arc::new(AtomicU64::new(0));
        let hook: SentHook = Box::new({
            let (sent, told) = (Arc::clone(&sent), told.clone());
            move |bytes: Bytes| {
                let count = bytes.len() as u64;
                told.brought(sent.fetch_add(count, Ordering::Relaxed) + count);
            }
        });
        let both = async {
            let kept = self.ask(script::KEEP, Bound::Never, Input::Stream(input), Some(hook));
            tokio::join!(source.pour(chunks), kept)
        };
        let (poured, kept) = tokio::select! {
            biased;
            both = both => both,
            () = stalled(&sent) => return Err(self.lost(format!("it took nothing for {}", Bound::After(STALL)))),
        };
        // What was cut here is not whole there; but this is why.
        poured.map_err(|source| DeliveryError::Database { version: self.version(), source })?;
        kept
    }

    /// Runs a script over there, and takes its answer.
    async fn ask(
        &self,
        script: &str,
        timeout: Bound,
        input: Input,
        sent: Option<SentHook>,
    ) -> Result<Answer, DeliveryError> {
        let spec = self.spec(script, timeout);
        let run = tokio::select! {
            biased;
            run = self.executor.start(&spec) => run?,
            () = self.cancel.reached(CancelLevel::Cancel) => return Err(DeliveryError::Cancelled),
        };
        let (stdout, mut chunks) = mpsc::channel::<Bytes>(QUEUE);
        let collect = async {
            let mut all = Vec::new();
            while let Some(chunk) = chunks.recv().await {
                // A shell that says more says something else.
                if all.len() < LONGEST {
                    all.extend_from_slice(&chunk);
                }
            }
            all
        };
        let run = oneshot(run, input, Sinks { sent, ..Sinks::stdout(stdout) }, &spec.bounds, self.cancel);
        let (ended, said) = tokio::join!(run, collect);
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(0))) => self.understand(&said),
            (EndCause::Done, Some(Exit::Lost)) => {
                Err(self.lost(ended.lost.unwrap_or_else(|| "it was lost".to_owned())))
            }
            (EndCause::Cancelled, _) => Err(DeliveryError::Cancelled),
            (EndCause::Timeout { .. }, _) => Err(self.lost(format!("it did not answer within {timeout}"))),
            _ => Err(self.refused(why(&ended))),
        }
    }

    fn spec(&self, script: &str, timeout: Bound) -> RunSpec {
        let Weights { version, .. } = self.weights;
        let conn = &self.placement.conn;
        let folder = conn.cache_dir.clone().unwrap_or_default();
        let limit = conn.cache_limit.unwrap_or_else(|| self.cache.limit());
        let words = ["sh", "-c", script, "mer"].map(str::to_owned);
        let named = [
            folder,
            file_name(version),
            version.bytes.to_string(),
            limit.bytes().to_string(),
            Uuid::now_v7().to_string(),
        ];
        RunSpec {
            argv: words.into_iter().chain(named).collect(),
            cwd: None,
            env: [].into(),
            protocol: Protocol::Oneshot,
            tokens: Tokens::defaults(Protocol::Oneshot),
            bounds: Bounds { timeout, ..Bounds::default() },
            leave_children: false,
        }
    }

    fn understand(&self, said: &[u8]) -> Result<Answer, DeliveryError> {
        let text = String::from_utf8_lossy(said);
        let line = text.trim_end_matches('\n');
        match line.strip_prefix(script::KEPT) {
            Some(path) if std::str::from_utf8(said).is_ok() => Ok(Answer::Kept(path.to_owned())),
            None if line == script::NONE => Ok(Answer::Not),
            None if line == script::DIFFERS => Ok(Answer::Differs),
            None if line == script::DOUBT => Ok(Answer::Doubt),
            _ => Err(self.refused(format!("its shell answered `{}`", line.escape_debug()))),
        }
    }

    fn version(&self) -> String {
        self.weights.version.to_string()
    }

    fn refused(&self, said: String) -> DeliveryError {
        DeliveryError::Refused { version: self.version(), server: self.placement.server.clone(), said }
    }

    fn lost(&self, detail: String) -> DeliveryError {
        DeliveryError::Lost { version: self.version(), server: self.placement.server.clone(), detail }
    }
}

/// The last word of a script that gave up.
fn why(ended: &RequestEnd) -> String {
    let said = String::from_utf8_lossy(&ended.stderr_tail);
    match (said.lines().rfind(|line| !line.trim().is_empty()), ended.exit) {
        (Some(line), _) => line.trim().to_owned(),
        (None, Some(exit)) => format!("its shell {exit}"),
        (None, None) => "nobody saw how its shell ended".to_owned(),
    }
}

/// Ends when nothing moves any more.
async fn stalled(sent: &AtomicU64) {
    let mut before = None;
    loop {
        let now = sent.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(STALL).await;
    }
}
