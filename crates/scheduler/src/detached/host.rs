//! A machine that detached runs are on, and what it is asked about them.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use mer_core::{Bound, ConnType, Exit, LOCAL_SERVER, Server};
use mer_meal::{
    Cancel, EndCause, Executor, FOLLOW, HASH, Input, LOOK, MARK_COLLECTED, Observation, REMOVE, RequestEnd, RunFolder,
    RunsSurvey, SEND_FILES, SIGNAL, SupervisorId, observations, survey, survey_script,
};
use tokio::sync::mpsc;

use super::error::DetachedError;
use crate::{
    Scheduler,
    remote_shell::{RemoteScript, RunningScript, no_input},
    training_fetch::{self, FetchError},
};

/// Bound on a question that is answered at once.
const ANSWER_BOUND: Bound = Bound::secs(60);
/// Bound on hashing the output of a run.
const HASH_BOUND: Bound = Bound::secs(3_600);
/// Time between TERM and KILL of a script.
const GRACE: Duration = Duration::from_secs(1);

/// One of the streams that a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Its output.
    Output,
    /// Its diagnostics.
    Diagnostics,
}

/// Facts about what a run wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputDigest {
    /// Number of bytes of stdout.
    pub stdout_bytes: u64,
    /// Sha256 of stdout; none if it was not hashed.
    pub stdout_sha256: Option<String>,
    /// Number of bytes of stderr.
    pub stderr_bytes: u64,
    /// The end of stderr, at most 16 KiB.
    pub stderr_tail: String,
}

/// A machine that detached runs are on.
#[derive(Debug, Clone)]
pub struct DetachedHost {
    pub(super) server: String,
    pub(super) executor: Executor,
    /// The environment of scripts on this machine; empty for another one, which has its own.
    pub(super) env: BTreeMap<OsString, OsString>,
    /// The folder that the server has for MER; empty for the default.
    pub(super) base: String,
}

impl Scheduler {
    /// Returns the machine that a server is; none if it is not registered.
    #[must_use]
    pub fn detached_host(&self, server: &str, servers: &[Server]) -> Option<DetachedHost> {
        let known = servers.iter().find(|known| known.name == server);
        let conn_type = match known {
            Some(known) => known.spec.conn_type,
            None if server == LOCAL_SERVER => ConnType::Local,
            None => return None,
        };
        let conn = known.map(|known| known.spec.params.clone()).unwrap_or_default();
        let executor = self.executors.of_server(server, conn_type, &conn);
        let env = if conn_type.starts_here(&conn) { self.environment.public() } else { BTreeMap::new() };
        Some(DetachedHost { server: server.to_owned(), executor, env, base: conn.cache_dir.unwrap_or_default() })
    }
}

impl DetachedHost {
    /// Returns the machine that is reached by this executor. `env` is the environment of scripts on this machine; empty for another
    /// one. `base` is the folder that the server has for MER; empty for the default.
    #[must_use]
    pub const fn new(server: String, executor: Executor, env: BTreeMap<OsString, OsString>, base: String) -> Self {
        Self { server, executor, env, base }
    }

    /// Returns the folder that a run of this name gets.
    #[must_use]
    pub fn default_folder(&self, name: String) -> RunFolder {
        RunFolder::Default { name, base: self.base.clone() }
    }

    /// Looks at runs. A model whose supervisor was killed is ended.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn look(
        &self,
        runs: &[(SupervisorId, RunFolder)],
        cancel: &Cancel,
    ) -> Result<Observation, DetachedError> {
        let lines: Option<String> = runs.iter().map(|(supervisor, folder)| supervisor.line(folder)).collect();
        let lines = lines.ok_or_else(|| self.refused("the path of a run's folder has a newline"))?;
        let answer = self.ask(&LOOK.text(), Vec::new(), Input::Bytes(lines.into()), ANSWER_BOUND, cancel).await?;
        let answer = String::from_utf8_lossy(&answer);
        observations(&answer, runs.len())
            .ok_or_else(|| self.refused(&format!("its shell answered `{}`", answer.escape_debug())))
    }

    /// Tells a model to end, by TERM or by KILL.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn signal(&self, folder: &str, now: bool, cancel: &Cancel) -> Result<(), DetachedError> {
        let arguments = vec![if now { "KILL" } else { "TERM" }.to_owned(), folder.to_owned()];
        self.ask(&SIGNAL.text(), arguments, no_input(), ANSWER_BOUND, cancel).await.map(drop)
    }

    /// Returns facts about what a run wrote.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn digest(&self, folder: &str, hashes: bool, cancel: &Cancel) -> Result<OutputDigest, DetachedError> {
        let arguments = vec![folder.to_owned(), if hashes { "1" } else { "" }.to_owned()];
        let answer = self.ask(HASH, arguments, no_input(), HASH_BOUND, cancel).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (first, tail) = answer.split_once('\n').unwrap_or((&answer, ""));
        let words: Vec<&str> = first.split(' ').collect();
        let [stdout, hash, stderr] = words[..] else {
            return Err(self.refused(&format!("its shell answered `{}`", first.escape_debug())));
        };
        let is_hash = hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit());
        Ok(OutputDigest {
            stdout_bytes: stdout.parse().unwrap_or_default(),
            stdout_sha256: is_hash.then(|| hash.to_ascii_lowercase()),
            stderr_bytes: stderr.parse().unwrap_or_default(),
            stderr_tail: tail.to_owned(),
        })
    }

    /// Forwards a stream of a run as it grows, until the run is over or the receiver is dropped. `tail` leaves out all but the
    /// last lines of what is there already.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn follow(
        &self,
        folder: &str,
        (stream, tail): (OutputStream, Option<u64>),
        to: mpsc::Sender<Bytes>,
        cancel: &Cancel,
    ) -> Result<(), DetachedError> {
        let stream = if stream == OutputStream::Output { "stdout" } else { "stderr" };
        let tail = tail.map(|lines| lines.to_string()).unwrap_or_default();
        let arguments = vec![folder.to_owned(), stream.to_owned(), tail];
        self.forward(&FOLLOW.text(), arguments, to, cancel).await
    }

    /// Forwards the files that a run left, or its artefacts only, as [`mer_meal::SEND_FILES`] frames them.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn files(
        &self,
        folder: &str,
        only_artefacts: bool,
        to: mpsc::Sender<Bytes>,
        cancel: &Cancel,
    ) -> Result<(), DetachedError> {
        let part = if only_artefacts { "artefacts" } else { "" };
        self.forward(SEND_FILES, vec![folder.to_owned(), part.to_owned()], to, cancel).await
    }

    /// Fetches the weights that a training wrote into an empty folder of this machine. Returns nothing if it wrote none.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn weights(
        &self,
        folder: &str,
        scratch: &Path,
        cancel: &Cancel,
    ) -> Result<Option<PathBuf>, DetachedError> {
        let fetch = || training_fetch::fetch((&self.executor, &self.env), folder, scratch, cancel);
        let fetched = match fetch().await {
            // A second transfer may succeed where the first was damaged.
            Err(FetchError::Differs) => fetch().await,
            fetched => fetched,
        };
        let server = || self.server.clone();
        fetched.map_err(|error| match error {
            FetchError::Start(source) => DetachedError::Start { server: server(), source: Box::new(source) },
            FetchError::Lost(why) => DetachedError::Lost { server: server(), why },
            other => self.refused(&other.reason()),
        })
    }

    /// Counts the folders of detached runs, and finds out whether systemd ends runs with the login session.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn survey(&self, cancel: &Cancel) -> Result<RunsSurvey, DetachedError> {
        let answer = self.ask(&survey_script(), vec![self.base.clone()], no_input(), ANSWER_BOUND, cancel).await?;
        let answer = String::from_utf8_lossy(&answer);
        survey(&answer).ok_or_else(|| self.refused(&format!("its shell answered `{}`", answer.escape_debug())))
    }

    /// Notes in the folder of a run that its end is on record.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn mark_collected(&self, folder: &str, cancel: &Cancel) -> Result<(), DetachedError> {
        self.ask(MARK_COLLECTED, vec![folder.to_owned()], no_input(), ANSWER_BOUND, cancel).await.map(drop)
    }

    /// Removes the folder of a run.
    ///
    /// # Errors
    /// [`DetachedError`].
    pub async fn remove(&self, folder: &str, cancel: &Cancel) -> Result<(), DetachedError> {
        self.ask(REMOVE, vec![folder.to_owned()], no_input(), HASH_BOUND, cancel).await.map(drop)
    }

    /// Runs a script, and returns its output.
    async fn ask(
        &self,
        text: &str,
        arguments: Vec<String>,
        input: Input,
        timeout: Bound,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, DetachedError> {
        let (ended, answer) = self.start(text, arguments, timeout, cancel).await?.answer(input, None, cancel).await;
        self.check(&ended).map(|()| answer)
    }

    async fn forward(
        &self,
        text: &str,
        arguments: Vec<String>,
        to: mpsc::Sender<Bytes>,
        cancel: &Cancel,
    ) -> Result<(), DetachedError> {
        let ended = self.start(text, arguments, Bound::Never, cancel).await?.forward(to, cancel).await;
        self.check(&ended)
    }

    /// Starts a script.
    pub(super) async fn start(
        &self,
        text: &str,
        arguments: Vec<String>,
        timeout: Bound,
        cancel: &Cancel,
    ) -> Result<RunningScript, DetachedError> {
        let script = RemoteScript { text, name: "mer", arguments, timeout, grace: GRACE };
        let failed = |source| DetachedError::Start { server: self.server.clone(), source: Box::new(source) };
        tokio::select! {
            biased;
            started = script.start_in(&self.executor, self.env.clone()) => started.map_err(failed),
            () = cancel.reached(mer_meal::CancelLevel::Cancel) => Err(DetachedError::Cancelled),
        }
    }

    fn check(&self, ended: &RequestEnd) -> Result<(), DetachedError> {
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(0))) => Ok(()),
            _ => Err(DetachedError::of_end(&self.server, ended)),
        }
    }

    fn refused(&self, why: &str) -> DetachedError {
        DetachedError::Refused { server: self.server.clone(), why: why.to_owned() }
    }
}
