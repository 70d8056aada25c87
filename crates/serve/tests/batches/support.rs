//! A registry with models that are shell scripts, and batches of them.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use mer_batch::{Batch, BatchEnd, Input, Options, Output, Runner, Stop, Subject, Summary};
use mer_client::{
    Location, ResidentHost,
    wire::{CallerContext, ErrorMessage},
};
use mer_core::{Access, Claims, Classified as _, Selector, Tags};
use mer_dal::{AccessFilter, DbUrl};
use mer_meal::{Executor, LocalConfig};
use mer_scheduler::{CallerEnvironment, ExecutorFactory, Outcome};
use mer_serve::{DrainCommand, Messages};
use mer_service::{
    Caller, ModelHost as _, NoEvents, Runtime, ServiceError, Settings,
    batch::{BatchRequest, BatchRunner, LocalHost},
    log::AccessReader,
    registry, registry_file,
};
use uuid::Uuid;

/// Notes its start, and answers lines. Some lines it answers badly.
const SCRIPT: &str = r#"echo $$ >>"$DIR/starts"
[ -e "$DIR/broken" ] && exit 5
echo "@!#READY#!@"
while read -r line; do
  case "$line" in
    die) exit 3 ;;
    hang) sleep 60 ;;
    two) echo one; echo two ;;
    slow) sleep 0.03; echo "got slow" ;;
    *) echo "got $line" ;;
  esac
done"#;

/// A folder with a database and models.
pub(crate) struct Env {
    folder: tempfile::TempDir,
}

impl Env {
    pub(crate) async fn new() -> Self {
        let env = Self { folder: tempfile::tempdir().expect("a folder") };
        let script = SCRIPT.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let folder = env.folder.path().display();
        let model = |name: &str, more: &str| {
            format!(
                "[models.{name}]\nprotocol = \"lines\"\nreadyToken = \"@!#READY#!@\"\ngrace = \"1s\"\ntimeout = \"20s\"\n\
                 inferenceCommand = [\"sh\", \"-c\", \"{script}\"]\nenv = {{ DIR = \"{folder}\" }}\n{more}\n"
            )
        };
        let text = [
            "[servers.a]\nconnType = \"local\"\n[servers.b]\nconnType = \"local\"\n".to_owned(),
            model("plain", ""),
            model("kept", "keepalive = \"10m\""),
            model("quick", "timeout = \"1s\"").replacen("timeout = \"20s\"\n", "", 1),
            model("both", "servers = [\"a\", \"b\"]"),
            "[models.shout]\ninferenceCommand = [\"tr\", \"a-z\", \"A-Z\"]\n".to_owned(),
            "[models.picky]\ninferenceCommand = [\"sh\", \"-c\", \"read line; test $line != bad && echo fine\"]\n"
                .to_owned(),
        ];
        let file = registry_file::read(Path::new("registry.toml"), &text.concat()).expect("a registry");
        registry::plan(&env.runtime(), &file, env.folder.path(), true).await.expect("applied");
        env
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A runtime with a scheduler of its own, as each `mer` has.
    pub(crate) fn runtime(&self) -> Runtime {
        // A watcher that only waits for its end: nothing here outlives the test.
        let watcher_argv = vec!["-c".to_owned(), "cat >/dev/null".to_owned()];
        let path = BTreeMap::from([(OsString::from("PATH"), OsString::from("/usr/local/bin:/usr/bin:/bin"))]);
        Runtime::new(Settings {
            database: mer_dal::Settings::new(DbUrl::Embedded(self.path("db"))),
            migrations_login: None,
            training_dir: self.path("training"),
            weights_dir: self.path("weights"),
            weights_limit: "1GiB".parse().expect("a size"),
            limits_dir: self.path("limits"),
            resources: BTreeMap::new(),
            pool: None,
            executor: Executor::local(LocalConfig { self_exe: "/bin/sh".into(), watcher_argv }),
            remote: ExecutorFactory::new(|server, _| panic!("`{server}` is not asked for")),
            environment: Arc::new(CallerEnvironment::new(path, [])),
            caller: Caller::of_this_process(&BTreeMap::new()),
            events: Arc::new(NoEvents),
        })
    }

    /// Number of processes that were started.
    pub(crate) fn starts(&self) -> usize {
        fs::read_to_string(self.path("starts")).unwrap_or_default().lines().count()
    }

    pub(crate) fn location(&self) -> Location {
        Location::within(&self.path("run"), "test").expect("a short path")
    }

    /// The caller of the resident.
    pub(crate) fn context(&self) -> CallerContext {
        let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
        CallerContext {
            caller: "ada@host".to_owned(),
            claims: Claims::default(),
            pid: std::process::id(),
            folder: self.folder.path().to_owned(),
            variables: BTreeMap::from([path]),
            agent: None,
        }
    }

    /// The rows of a batch.
    pub(crate) async fn rows(&self, runtime: &Runtime, batch: Uuid) -> Vec<Access> {
        let filter = AccessFilter { limit: 10_000, batch: Some(batch), ..AccessFilter::default() };
        let (mut reader, mut rows) = (AccessReader::new(runtime, filter), Vec::new());
        while let Some(some) = reader.next().await.expect("read") {
            rows.extend(some);
        }
        assert!(rows.iter().all(|row| row.batch_uid == Some(batch)));
        rows
    }

    /// Runs a batch. Returns its summary, and the lines of its results.
    pub(crate) async fn run(
        &self,
        runner: Arc<dyn Runner>,
        options: Options,
        input: String,
        stop: Stop,
    ) -> (Summary, Vec<String>) {
        let (from, to) = (self.path("in"), self.path("out"));
        fs::write(&from, input).expect("written");
        let batch = Batch { options, input: Input::File(from), output: Output::File(to.clone()) };
        let summary = batch.run(runner, stop, Arc::new(|_| {})).await.expect("begun");
        let output = fs::read_to_string(to).expect("results");
        (summary, output.lines().map(str::to_owned).collect())
    }
}

/// The runner of a model in this process.
pub(crate) async fn runner(runtime: &Runtime, model: &str, jobs: Option<usize>) -> BatchRunner<LocalHost> {
    let model = runtime.resolve(&Selector::current(model)).await.expect("a model");
    let request = BatchRequest {
        model,
        server: None,
        timeout: None,
        ends_lines: true,
        hashes: true,
        priority: 0,
        tags: Tags::default(),
        jobs,
        watch: None,
        progress: None,
        hint: None,
    };
    runtime.batch_runner(request).expect("a runner")
}

/// The same, in the resident where it has the model.
pub(crate) async fn resident_runner(env: &Env, runtime: &Runtime, model: &str) -> BatchRunner<ResidentHost> {
    let (location, context) = (env.location(), env.context());
    runner(runtime, model, None)
        .await
        .on(|local, request| ResidentHost::new(location, context, "0".to_owned(), local, request))
}

pub(crate) fn options() -> Options {
    Options::new(Uuid::now_v7(), Subject::default())
}

pub(crate) fn items(count: usize) -> String {
    (0..count).map(|number| format!("item {number}\n")).collect()
}

pub(crate) fn is_complete(summary: &Summary) -> bool {
    matches!(summary.end, BatchEnd::Complete)
}

/// How many items the rows have, and how many of those failed.
pub(crate) fn counts(rows: &[Access]) -> (u64, u64) {
    let count = |field: fn(&Access) -> Option<u64>| rows.iter().map(|row| field(row).expect("a count")).sum();
    (count(|row| row.items), count(|row| row.failed_items))
}

#[derive(Debug)]
pub(crate) struct Plain;

impl Messages for Plain {
    fn hint(&self, _: &Outcome) -> Option<String> {
        None
    }

    fn error(&self, error: ServiceError) -> ErrorMessage {
        ErrorMessage { kind: error.failure_kind(), message: error.to_string(), causes: Vec::new(), hints: Vec::new() }
    }
}

/// A resident with the models of this environment.
pub(crate) fn resident_options(env: &Env) -> mer_serve::Options {
    mer_serve::Options {
        location: env.location(),
        listener: None,
        preload: Vec::new(),
        idle_exit: None,
        drain: DrainCommand::default(),
        mer_version: "0".to_owned(),
        messages: Arc::new(Plain),
    }
}
