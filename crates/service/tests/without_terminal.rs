//! Everything that MER does, driven by plain requests: no command line, no environment, no terminal.

#![cfg(feature = "embedded")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ffi::OsString,
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use mer_core::{AccessKind, Classified as _, FailureKind, Selector, Tags, WeightsFormat, Which};
use mer_dal::{AccessFilter, DbUrl};
use mer_meal::{Cancel, Executor, Input, LocalConfig};
use mer_scheduler::{
    CallerEnvironment, ExecutorFactory, Outcome, Output, OutputConfirmation, Retention, Training as Trained,
};
use mer_service::{
    Activity, ActivityGuard, ByteSink, Caller, Event, EventSink, ModelHost, RunRequest, Runtime, ServiceError,
    Settings, WarmModel,
    log::{self, AccessReader},
    registry, registry_file,
    train::{TrainOptions, Training},
    transfer,
    weights::{self, NewWeights, Reader},
};
use tokio::sync::mpsc;

const REGISTRY: &str = r#"
[models.shout]
inferenceCommand = ["tr", "a-z", "A-Z"]
trainCommand = ["sh", "-c", "cat >\"$MER_WEIGHTS_OUT\""]

[models.mirror]
protocol = "lines"
inferenceCommand = ["sh", "-c", "while read -r line; do printf '%s\\n' \"$line\"; done"]
"#;

/// Remembers which activities there were.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Activity>>);

impl EventSink for Recorder {
    fn begin(&self, activity: Activity) -> ActivityGuard {
        self.0.lock().expect("lock").push(activity);
        ActivityGuard::none()
    }

    fn notify(&self, _event: Event<'_>) {}
}

/// Collects bytes in memory.
#[derive(Debug, Default)]
struct Memory(Vec<u8>);

impl ByteSink for Memory {
    type Error = Infallible;

    async fn write(&mut self, chunk: Bytes) -> Result<(), Infallible> {
        self.0.extend_from_slice(&chunk);
        Ok(())
    }
}

fn runtime(folder: &Path, events: &Arc<Recorder>) -> Runtime {
    // A watcher that only waits for its end: nothing here outlives the test.
    let watcher_argv = vec!["-c".to_owned(), "cat >/dev/null".to_owned()];
    let path = BTreeMap::from([(OsString::from("PATH"), OsString::from("/usr/local/bin:/usr/bin:/bin"))]);
    Runtime::new(Settings {
        database: mer_dal::Settings::new(DbUrl::Embedded(folder.join("db"))),
        migrations_login: None,
        training_dir: folder.join("training"),
        weights_dir: folder.join("weights"),
        weights_limit: "1GiB".parse().expect("a size"),
        limits_dir: folder.join("limits"),
        resources: BTreeMap::new(),
        pool: None,
        executor: Executor::local(LocalConfig { self_exe: "/bin/sh".into(), watcher_argv }),
        remote: ExecutorFactory::new(|server, _| panic!("`{server}` is not asked for")),
        environment: Arc::new(CallerEnvironment::new(path, [])),
        caller: Caller::of_this_process(&BTreeMap::new()),
        events: Arc::clone(events) as Arc<dyn EventSink>,
    })
}

async fn with_registry(folder: &Path) -> Runtime {
    let runtime = runtime(folder, &Arc::default());
    let file = registry_file::read(Path::new("registry.toml"), REGISTRY).expect("a registry");
    registry::plan(&runtime, &file, folder, true).await.expect("applied");
    runtime
}

fn selector(model: &str, which: Which) -> Selector {
    Selector { model: model.to_owned(), which }
}

fn request(input: &'static str) -> RunRequest<'static> {
    RunRequest {
        server: None,
        input: Input::Bytes(Bytes::from_static(input.as_bytes())),
        timeout: None,
        hashes: true,
        keep: Retention::WhileHere,
        sender: None,
        retries: 0,
        retry_failed: false,
        priority: 0,
        batch_uid: None,
        tags: Tags::default(),
        cancel: Cancel::new(),
        watch: None,
        progress: None,
        attempts: None,
    }
}

/// Runs a model, and returns what it printed.
async fn run(host: &impl ModelHost, model: &str, input: &'static str) -> Result<(Outcome, Vec<u8>), ServiceError> {
    let model = host.resolve(&selector(model, Which::Current)).await?;
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
    let run = host.run(&model, request(input), Output { stdout, stderr: None }, confirmation);
    let (outcome, output) = tokio::join!(run, collect);
    Ok((outcome?, output.unwrap_or_default()))
}

/// Trains a model with this input, and returns the version that was made.
async fn train(runtime: &Runtime, model: &str, input: &'static str) -> Result<u64, String> {
    let model = runtime.resolve(&selector(model, Which::Current)).await.expect("a model");
    let training = Training::new(runtime, &model, TrainOptions { promote: true, note: None }).expect("a folder");
    let (stdout, _chunks) = mpsc::channel::<Bytes>(4);
    let (confirmation, sender) = OutputConfirmation::new();
    let run = training.run(request(input), Output { stdout, stderr: None }, confirmation);
    let (trained, _) = tokio::join!(run, sender.confirm(async |asked| (asked.get().await, Ok(()))));
    let Trained::Trained(trained) = trained.expect("a training") else { panic!("it did not end well") };
    match training.make_version(*trained, std::future::pending()).await {
        Ok((_, named)) => Ok(named.version.version),
        Err(failed) => Err(failed.outcome.access.error.unwrap_or_default()),
    }
}

async fn exported(runtime: &Runtime) -> Vec<u8> {
    let mut sink = Memory::default();
    transfer::export(runtime, &mut sink).await.expect("exported");
    sink.0
}

#[tokio::test]
async fn a_registry_is_applied_and_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = Arc::default();
    let runtime = runtime(folder.path(), &events);
    let file = registry_file::read(Path::new("registry.toml"), REGISTRY).expect("a registry");
    let changes = |plan: &registry::Plan| plan.differences.iter().filter(|one| one.is_change()).count();
    let plan = registry::plan(&runtime, &file, folder.path(), false).await.expect("planned");
    assert_eq!(changes(&plan), 2);
    assert_eq!(runtime.view().await.expect("a view").model("shout").expect_err("planned only").failure_kind(), {
        FailureKind::NotFound
    });
    registry::apply(&runtime, &plan).await.expect("applied");
    let plan = registry::plan(&runtime, &file, folder.path(), false).await.expect("planned");
    assert_eq!(changes(&plan), 0, "{plan:?}");
    registry::remove_model(&runtime, "mirror").await.expect("removed");
    let error = registry::remove_model(&runtime, "shuot").await.expect_err("there is none");
    assert!(matches!(&error, ServiceError::UnknownObject { near, .. } if near == &["shout"]), "{error:?}");
    assert!(events.0.lock().expect("lock").contains(&Activity::Database));
}

#[tokio::test]
async fn models_run_and_stay_warm() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = with_registry(folder.path()).await;
    let (outcome, output) = run(&runtime, "shout", "some text\n").await.expect("a run");
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(output, b"SOME TEXT\n");
    assert_eq!(ModelHost::list(&runtime).await, []);
    for input in ["one\n", "two\n"] {
        let (outcome, output) = run(&runtime, "mirror", input).await.expect("a run");
        assert!(outcome.succeeded(), "{outcome:?}");
        assert_eq!(output, input.as_bytes());
    }
    assert_eq!(ModelHost::list(&runtime).await, [WarmModel { model: "mirror".to_owned(), server: "local".to_owned() }]);
    ModelHost::stop(&runtime).await;
    assert_eq!(ModelHost::list(&runtime).await, []);
    let mirror = runtime.resolve(&selector("mirror", Which::Current)).await.expect("a model");
    let reports = runtime.load(&mirror, None, &Cancel::new()).await.expect("reports");
    assert_eq!(reports.len(), 1, "{reports:?}");
    let error = run(&runtime, "nobody", "").await.expect_err("there is none");
    assert_eq!(error.failure_kind(), FailureKind::NotFound);

    let mut reader = AccessReader::new(&runtime, AccessFilter { limit: 10, ..AccessFilter::default() });
    let mut kinds = Vec::new();
    while let Some(accesses) = reader.next().await.expect("accesses") {
        kinds.extend(accesses.into_iter().map(|access| access.kind));
    }
    assert_eq!(kinds, [AccessKind::Ping, AccessKind::Infer, AccessKind::Infer, AccessKind::Infer]);
    let newest = log::attempts(&runtime, None).await.expect("attempts");
    // Identifiers of the same millisecond differ in a counter, which ends before the 28th letter.
    let beginning = newest[0].request_uid.to_string();
    assert_eq!(log::attempts(&runtime, Some(&beginning[..30])).await.expect("attempts"), newest);
    runtime.shut_down(std::future::pending()).await;
}

#[tokio::test]
async fn trained_and_put_weights_are_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = with_registry(folder.path()).await;
    assert_eq!(train(&runtime, "shout", "[1, 2, 3]").await, Ok(1));
    assert_eq!(
        train(&runtime, "shout", "").await,
        Err("what it wrote cannot be kept: the training wrote an empty file".to_owned())
    );
    let new = NewWeights {
        model: "shout".to_owned(),
        format: Some(WeightsFormat::Raw),
        aliases: vec!["best".to_owned()],
        ..NewWeights::default()
    };
    let prepared = weights::prepare_put(&runtime, new).await.expect("prepared");
    let put = prepared.put(&runtime, Input::Bytes(Bytes::from_static(b"\x01\x02"))).await.expect("put");
    assert_eq!((put.named.version.version, &put.named.aliases[..]), (2, &["best".to_owned()][..]));
    let meant = |which| {
        let (runtime, selector) = (&runtime, selector("shout", which));
        async move { weights::version(runtime, &selector).await.map(|named| named.version.version) }
    };
    assert_eq!(meant(Which::Current).await.expect("the trained one"), 1);
    assert_eq!(meant(Which::Alias("best".to_owned())).await.expect("the one that was put"), 2);
    let error = meant(Which::Alias("bets".to_owned())).await.expect_err("there is none");
    assert!(matches!(&error, ServiceError::UnknownAlias { near, .. } if near == &["best"]), "{error:?}");
    let named = weights::version(&runtime, &selector("shout", Which::Version(2))).await.expect("a version");
    let mut sink = Memory::default();
    Reader::new(&named.version, WeightsFormat::Raw)
        .expect("a reader")
        .write_to(&runtime, &mut sink)
        .await
        .expect("read");
    assert_eq!(sink.0, b"\x01\x02");
    let error = weights::remove(&runtime, "shout", 1, false).await.expect_err("it is current");
    assert_eq!(error.failure_kind(), FailureKind::Refused, "{error}");
}

#[tokio::test]
async fn an_export_of_an_import_is_the_same() {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let from = with_registry(one.path()).await;
    run(&from, "shout", "x\n").await.expect("a run");
    train(&from, "shout", "[1]").await.expect("a version");
    let export = exported(&from).await;
    let to = runtime(other.path(), &Arc::default());
    let import = |bytes: Vec<u8>| transfer::import(&to, Input::Bytes(bytes.into()), "export".to_owned());
    let half = export[..export.len() / 2].to_vec();
    assert_eq!(import(half).await.expect_err("half of it").failure_kind(), FailureKind::Input);
    let report = import(export.clone()).await.expect("imported");
    assert_eq!((report.versions, report.accesses), (1, 2), "{report:?}");
    assert_eq!(exported(&to).await, export);
}
