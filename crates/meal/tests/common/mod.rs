//! Helpers of the tests.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Protocol, RunSpec, Tokens};
use mer_meal::{Cancel, Executor, Input, LocalConfig, RequestEnd, Sinks, WarmError, WarmProcess, oneshot};
use tokio::sync::mpsc;

/// The path of the fake model.
pub(crate) const FAKE: &str = env!("CARGO_BIN_EXE_fake-model");

pub(crate) fn executor() -> Executor {
    Executor::local(LocalConfig { self_exe: PathBuf::from(FAKE), watcher_argv: vec!["watcher".to_owned()] })
}

/// `mer` is the executor's own binary, which is the fake model here.
pub(crate) fn spec(args: &[&str]) -> RunSpec {
    command(&[&["mer"], args].concat())
}

pub(crate) fn command(argv: &[&str]) -> RunSpec {
    RunSpec {
        argv: argv.iter().map(ToString::to_string).collect(),
        cwd: None,
        env: [("PATH".into(), "/usr/bin:/bin".into())].into(),
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: bounds(20_000),
        leave_children: false,
    }
}

pub(crate) fn serve(protocol: Protocol, ready: &str) -> RunSpec {
    let mut spec = spec(&["serve", protocol.name(), ready]);
    spec.protocol = protocol;
    spec.tokens = Tokens::defaults(protocol);
    spec.tokens.ready = (ready != "at-once").then(|| Tokens::READY.to_owned());
    spec
}

/// A long bound, and a short grace period.
pub(crate) fn bounds(timeout_ms: u64) -> Bounds {
    let timeout = Bound::After(Duration::from_millis(timeout_ms));
    Bounds { timeout, ready_timeout: timeout, start_timeout: timeout, grace: Duration::from_millis(400) }
}

pub(crate) async fn run(spec: &RunSpec, input: &[u8]) -> (RequestEnd, Vec<u8>) {
    let run = executor().start(spec).await.expect("starts");
    collect(run, Input::Bytes(Bytes::copy_from_slice(input)), &spec.bounds, &Cancel::new()).await
}

pub(crate) async fn collect(
    run: mer_meal::Run,
    input: Input,
    bounds: &Bounds,
    cancel: &Cancel,
) -> (RequestEnd, Vec<u8>) {
    let (out, taken) = mpsc::channel(4);
    // `oneshot` owns the sender, so that its end is the end of the output.
    tokio::join!(oneshot(run, input, Sinks::stdout(out), bounds, cancel), all(taken))
}

/// Collects output until the sender is dropped.
pub(crate) async fn all(mut taken: mpsc::Receiver<Bytes>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = taken.recv().await {
        all.extend_from_slice(&chunk);
    }
    all
}

/// A warm process with its answers.
pub(crate) struct Warm(pub(crate) WarmProcess);

impl Warm {
    pub(crate) async fn start(spec: &RunSpec) -> Result<Self, WarmError> {
        WarmProcess::start(&executor(), spec, None, &Cancel::new()).await.map(Self)
    }

    pub(crate) async fn ask(&mut self, payload: &str) -> (RequestEnd, String) {
        self.ask_within(payload, 20_000, &Cancel::new()).await
    }

    pub(crate) async fn ask_within(&mut self, payload: &str, timeout_ms: u64, cancel: &Cancel) -> (RequestEnd, String) {
        self.exchange(payload, timeout_ms, cancel, true).await
    }

    /// Sends a request, after which the process is kept or not.
    pub(crate) async fn exchange(
        &mut self,
        payload: &str,
        timeout_ms: u64,
        cancel: &Cancel,
        keep: bool,
    ) -> (RequestEnd, String) {
        let (out, taken) = mpsc::channel(4);
        let bound = Bound::After(Duration::from_millis(timeout_ms));
        let ask = async {
            let ended = match keep {
                true => self.0.request(payload.as_bytes(), &out, bound, cancel).await,
                false => self.0.last_request(payload.as_bytes(), &out, bound, cancel).await,
            };
            drop(out);
            ended
        };
        let (ended, reply) = tokio::join!(ask, all(taken));
        (ended, String::from_utf8(reply).expect("text"))
    }
}

/// Polls a condition, with a bound.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(10), "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same, while other tasks of the test go on.
pub(crate) async fn eventually_async(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs. A zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}

/// The running processes with this variable in their environment.
pub(crate) fn carrying(variable: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
    })
    .collect()
}
