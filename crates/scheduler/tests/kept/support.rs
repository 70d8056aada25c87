//! A scheduler with models that are shell scripts.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{AccessKind, Claims, ConnType, KeptProcess, Model, ProcessState, Server, Status};
use mer_dal::{Database, DbUrl, Journal, JournalOwner, Settings};
use mer_meal::{Cancel, Executor, Input, LocalConfig, SshConfig, SshEnvironment};
use mer_scheduler::{
    BatchPlaces, CallerEnvironment, Config, ExecutorFactory, LimitsConfig, Outcome, Output, OutputConfirmation,
    PartFeed, PartOutcome, Request, Requester, Retention, Scheduler, SchedulerError, WeightsCache,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Notes its start, says that it is ready, and serves lines.
pub(crate) const SCRIPT: &str = r#"echo $$ >>"$DIR/starts"
[ -e "$DIR/slow-start" ] && sleep 0.6
[ -e "$DIR/endless-start" ] && sleep 60
[ -e "$DIR/broken" ] && { echo no weights >&2; exit 5; }
[ -e "$DIR/deaf" ] && trap '' TERM
echo '@!#READY#!@'
while read -r line; do
  case "$line" in
    pid) echo $$ ;;
    pwd) pwd ;;
    path) echo "$PATH" ;;
    die) exit 3 ;;
    die-once) [ -e "$DIR/died" ] || { : >"$DIR/died"; exit 3; }; echo alive ;;
    half) printf begun; sleep 0.2; exit 3 ;;
    slow*) sleep "${line#slow }"; echo "$line" ;;
    wait) while [ ! -e "$DIR/go" ]; do sleep 0.02; done; echo went ;;
    *) echo "got $line" ;;
  esac
done
[ -e "$DIR/deaf" ] && sleep 60"#;

/// A scheduler, and a folder that its models use.
pub(crate) struct Env {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) scheduler: Scheduler,
}

/// How a request is sent.
#[derive(Clone)]
pub(crate) struct How {
    pub(crate) uid: Uuid,
    pub(crate) keep: Retention,
    pub(crate) pinned: Option<&'static str>,
    pub(crate) retries: u32,
    pub(crate) retry_failed: bool,
    pub(crate) priority: i8,
    pub(crate) cancel: Cancel,
    pub(crate) requester: Option<Arc<Requester>>,
    pub(crate) batch_uid: Option<Uuid>,
}

impl How {
    pub(crate) fn new() -> Self {
        Self {
            uid: Uuid::now_v7(),
            keep: Retention::ByKeepalive,
            pinned: None,
            retries: 0,
            retry_failed: false,
            priority: 0,
            cancel: Cancel::new(),
            requester: None,
            batch_uid: None,
        }
    }
}

impl Env {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(LimitsConfig::default())
    }

    /// A scheduler of a machine that has these resources. Schedulers with the same folder of locks are like several `mer`.
    pub(crate) fn limited(locks: &Path, resources: Value) -> Arc<Self> {
        Self::with(LimitsConfig {
            folder: locks.join("mer").join("locks"),
            host: "box".to_owned(),
            resources: serde_json::from_value(resources).expect("resources"),
            ..LimitsConfig::default()
        })
    }

    pub(crate) fn with(limits: LimitsConfig) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        // A watcher that only waits for its end: nothing here outlives the test.
        let watcher_argv = vec!["-c".to_owned(), "cat >/dev/null".to_owned()];
        let database = Database::new(Settings::new(DbUrl::Embedded(folder.path().join("db"))));
        let owner = JournalOwner { host: "host".to_owned(), pid: std::process::id(), mer_version: "0".to_owned() };
        let variables = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/")];
        let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let scheduler = Scheduler::new(Config {
            executor: Executor::local(LocalConfig { self_exe: "/bin/sh".into(), watcher_argv }),
            remote: ExecutorFactory::new(|server, params| {
                Executor::ssh(SshConfig {
                    server: server.to_owned(),
                    params: params.clone(),
                    environment: SshEnvironment::default(),
                    secrets: None,
                    accept_new: false,
                })
            }),
            weights: WeightsCache::new(database, folder.path().join("weights"), "1GiB".parse().expect("a size")),
            journal: Journal::new(folder.path().join("journal"), Uuid::now_v7(), owner),
            environment: Arc::new(CallerEnvironment::new(variables.into(), [])),
            caller: "ada@host".to_owned(),
            caller_claims: Claims::default(),
            caller_pid: 1,
            limits,
        });
        Arc::new(Self { folder, scheduler })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a file that a model looks for.
    pub(crate) fn flag(&self, name: &str) {
        fs::write(self.path(name), "").expect("written");
    }

    /// Process ids of the models that were started, in order.
    pub(crate) fn starts(&self) -> Vec<u32> {
        let starts = fs::read_to_string(self.path("starts")).unwrap_or_default();
        starts.lines().map(|line| line.parse().expect("a pid")).collect()
    }

    /// A model that runs [`SCRIPT`] and is kept for long, with these parameters besides.
    pub(crate) fn model(&self, name: &str, params: Value) -> Model {
        let mut model = json!({
            "uid": format!("uid-{name}"),
            "name": name,
            "createdAt": "2026-01-01T00:00:00Z",
            "lastUpdated": "2026-01-01T00:00:00Z",
            "protocol": "lines",
            "inferenceCommand": ["sh", "-c", SCRIPT],
            "readyToken": "@!#READY#!@",
            "env": {"DIR": self.folder.path()},
            "grace": "2s",
            "keepalive": "10m",
        });
        let Value::Object(params) = params else { panic!("an object") };
        model.as_object_mut().expect("an object").extend(params);
        serde_json::from_value(model).expect("a model")
    }

    /// Sends a request. Returns how it ended, and what the model answered.
    pub(crate) async fn send(&self, model: &Model, input: &str, how: How) -> Result<(Outcome, String), SchedulerError> {
        let (stdout, mut chunks) = mpsc::channel::<Bytes>(4);
        let (confirmation, sender) = OutputConfirmation::new();
        let collect = sender.confirm(async |asked| {
            let mut output = Vec::new();
            while let Some(chunk) = chunks.recv().await {
                output.extend_from_slice(&chunk);
            }
            asked.get().await;
            (output, Ok(()))
        });
        let servers = servers();
        let request = request(model, &servers, Input::Bytes(Bytes::from(input.to_owned())), how);
        let run = self.scheduler.run(request, Output { stdout, stderr: None }, confirmation);
        let (outcome, output) = tokio::join!(run, collect);
        let output = String::from_utf8(output.unwrap_or_default()).expect("text");
        Ok((outcome?, output.trim_end().to_owned()))
    }

    /// Sends a request that is answered.
    pub(crate) async fn ask(&self, model: &Model, input: &str) -> String {
        let (outcome, output) = self.send(model, input, How::new()).await.expect("attempted");
        assert_eq!(outcome.access.error, None);
        output
    }

    /// Sends a request that fails. Returns how it ended.
    pub(crate) async fn fail(&self, model: &Model, input: &str, how: How) -> Outcome {
        let (outcome, _) = self.send(model, input, how).await.expect("attempted");
        assert_ne!(outcome.access.status, Status::Succeeded);
        outcome
    }

    /// Runs a part of a batch.
    pub(crate) async fn send_part(
        &self,
        model: &Model,
        feed: PartFeed<'_>,
        how: How,
    ) -> Result<PartOutcome, SchedulerError> {
        let servers = servers();
        self.scheduler.run_part(request(model, &servers, Input::Bytes(Bytes::new()), how), feed).await
    }

    /// The places of a batch.
    pub(crate) fn places(&self, model: &Model, jobs: Option<usize>) -> Result<BatchPlaces, SchedulerError> {
        let servers = servers();
        self.scheduler.batch_places(&request(model, &servers, Input::Bytes(Bytes::new()), How::new()), jobs)
    }

    /// Loads a model.
    pub(crate) async fn load(&self, model: &Model, how: How) -> Result<Outcome, SchedulerError> {
        let servers = servers();
        let request = Request { kind: AccessKind::Load, ..request(model, &servers, Input::Bytes(Bytes::new()), how) };
        self.scheduler.load(request).await
    }

    /// The only process of a model, if there is one.
    pub(crate) fn process(&self, model: &str) -> Option<KeptProcess> {
        let mut processes = self.scheduler.processes().into_iter().filter(|process| process.model == model);
        let process = processes.next();
        assert!(processes.next().is_none(), "there is one process");
        process
    }

    pub(crate) fn state(&self, model: &str) -> Option<ProcessState> {
        self.process(model).map(|process| process.state)
    }

    /// The attempts of a request that are on record, with their servers.
    pub(crate) fn attempts(&self, uid: Uuid) -> Vec<(u64, String)> {
        let mut texts = Vec::new();
        read_all(&self.path("journal"), &mut texts);
        let mut attempts = BTreeMap::new();
        for text in texts {
            for start in text.match_indices('{').map(|(at, _)| at) {
                let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
                let Some(Ok(row)) = values.next() else { continue };
                if row["requestUid"] == uid.to_string()
                    && let (Some(attempt), Some(server)) = (row["attempt"].as_u64(), row["server"].as_str())
                {
                    attempts.insert(attempt, server.to_owned());
                }
            }
        }
        attempts.into_iter().collect()
    }
}

fn read_all(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            read_all(&entry.path(), texts);
        } else {
            texts.push(String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()).into_owned());
        }
    }
}

/// Four servers that are this machine, two of which have one `gpu` each, and one that does not exist.
pub(crate) fn servers() -> Vec<Server> {
    let server = |name: &str, conn: ConnType, params: Value| {
        let mut server = json!({
            "uid": format!("uid-{name}"),
            "name": name,
            "createdAt": "2026-01-01T00:00:00Z",
            "lastUpdated": "2026-01-01T00:00:00Z",
            "connType": conn,
        });
        let Value::Object(params) = params else { panic!("an object") };
        server.as_object_mut().expect("an object").extend(params);
        serde_json::from_value(server).expect("a server")
    };
    let nowhere = json!({"host": "127.0.0.1", "port": 1, "user": "ada", "connectTimeout": "2s"});
    vec![
        server("a", ConnType::Local, json!({})),
        server("b", ConnType::Local, json!({})),
        server("g1", ConnType::Local, json!({"resources": {"gpu": 1}})),
        server("g2", ConnType::Local, json!({"resources": {"gpu": 1}})),
        server("nowhere", ConnType::Ssh, nowhere),
    ]
}

fn request<'a>(model: &'a Model, servers: &'a [Server], input: Input, how: How) -> Request<'a> {
    Request {
        uid: how.uid,
        requester: how.requester,
        model,
        servers,
        pinned: how.pinned,
        kind: AccessKind::Infer,
        weights: None,
        input,
        timeout: None,
        hashes: true,
        keep: how.keep,
        attempts_made: 0,
        retries: how.retries,
        retry_failed: how.retry_failed,
        priority: how.priority,
        batch_uid: how.batch_uid,
        tags: BTreeMap::new(),
        via: None,
        cancel: how.cancel,
        watch: None,
        attempts: None,
        jobs: None,
    }
}

/// Sends a request in the background.
pub(crate) fn spawn(
    env: &Arc<Env>,
    model: &Model,
    input: &'static str,
    how: How,
) -> tokio::task::JoinHandle<Result<(Outcome, String), SchedulerError>> {
    let (env, model) = (Arc::clone(env), model.clone());
    tokio::spawn(async move { env.send(&model, input, how).await })
}

/// Polls a condition, with a bound.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(20), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs. A zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}
