//! `mer server ping`.

use std::time::{Duration, Instant};

use mer_core::{Classified as _, ConnType, FailureKind, Server, with_causes};
use mer_meal::{Cancel, ClusterPing, Executor, LauncherPing, PingReport, PingStep, RunsSurvey, SlurmError, StepKind};
use mer_scheduler::DetachedHost;
use serde::Serialize;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    app::App,
    cli::ServerPingArgs,
    errors::{CliError, ExitCode, slurm_hint, ssh_hint},
    ui::{CellFormat, TableRow, Ui, counted},
};

/// The step that asks a cluster for its partition.
const CLUSTER: &str = "partition";

/// The step that starts a process by a launcher whose processes are elsewhere.
const LAUNCHER: &str = "launcher";

/// The step that counts what is kept of detached runs, and its bound.
const RUNS: &str = "detachedRuns";
const SURVEY_BOUND: Duration = Duration::from_secs(15);

/// One step on the way to a server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    server: String,
    /// The host that was connected to: the server, or a jump host.
    host: String,
    step: &'static str,
    /// 0, or the exit code of a run that fails here.
    code: u8,
    #[serde(skip)]
    failure: Option<FailureKind>,
    ms: f64,
    /// What was found, or what is wrong.
    detail: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Makes a new connection to each server, step by step, and runs a command that does nothing. Prints a line for each step; the
/// exit code is that of the first server that failed.
pub(super) async fn ping(app: &App, args: &ServerPingArgs, ui: Ui) -> Result<(), CliError> {
    let view = app.runtime.view().await?;
    let servers: Vec<&Server> = if args.names.is_empty() {
        view.servers.iter().collect()
    } else {
        args.names.iter().map(|name| view.server(name)).collect::<Result<_, _>>()?
    };
    let wait = app.show_wait(|| "connecting (at most `connectTimeout` and `authTimeout`; Ctrl-C ends it)".to_owned());
    // All at once, so that a server which does not answer does not delay the others.
    let mut pings = JoinSet::new();
    for (index, server) in servers.iter().enumerate() {
        let name = server.name.clone();
        let executor = app.executor_of(&name, &server.spec, args.accept_new);
        let runs = app.detached_host(&name, &server.spec, executor.clone());
        let is_here = server.spec.conn_type == ConnType::Local && server.spec.params.launcher_remote != Some(true);
        pings.spawn(async move {
            let steps = if is_here { here(name.clone()) } else { found(&name, &executor).await };
            (index, with_runs(&name, steps, &runs).await)
        });
    }
    let mut found = pings.join_all().await;
    drop(wait);
    found.sort_by_key(|(index, _)| *index);
    let steps: Vec<Step> = found.into_iter().flat_map(|(_, steps)| steps).collect();
    ui.list(&steps)?;
    for step in steps.iter().filter(|step| step.failure.is_none()) {
        if let Some(remedy) = &step.remedy {
            ui.note(&format!("`{}`: {remedy}", step.server));
        }
    }
    verdict(&steps, servers.len())
}

/// Connects to a server. Returns a summary, or what is wrong and what to do about it.
pub(super) async fn look(app: &App, server: &Server) -> Result<String, (String, Option<String>)> {
    let executor = app.executor_of(&server.name, &server.spec, false);
    let steps = found(&server.name, &executor).await;
    match steps.iter().find(|step| step.failure.is_some()) {
        Some(step) => Err((step.detail.clone().unwrap_or_default(), step.remedy.clone())),
        None => {
            let partition = steps.iter().find(|step| step.step == CLUSTER).and_then(|step| step.detail.as_deref());
            let partition = partition.map(|partition| format!("; {partition}")).unwrap_or_default();
            let ms = steps.iter().map(|step| step.ms).sum::<f64>();
            Ok(format!("answers within {ms:.0} ms{partition}"))
        }
    }
}

/// Makes the steps to a server, and on a cluster asks Slurm for the partition once the login node is reached.
async fn found(server: &str, executor: &Executor) -> Vec<Step> {
    let mut steps = executor.ping().await.map_or_else(Vec::new, |report| steps(server, report));
    if steps.iter().all(|step| step.failure.is_none())
        && let Some(ping) = executor.ping_cluster().await
    {
        steps.push(cluster(server, ping));
    }
    if steps.iter().all(|step| step.failure.is_none())
        && let Some(ping) = executor.ping_launcher().await
    {
        steps.push(launcher(server, ping));
    }
    steps
}

fn launcher(server: &str, ping: LauncherPing) -> Step {
    let failure = ping.found.as_ref().err().map(|error| error.failure_kind());
    Step {
        server: server.to_owned(),
        host: String::new(),
        step: LAUNCHER,
        code: ExitCode::of_outcome(failure),
        failure,
        ms: millis(ping.took),
        remedy: None,
        detail: Some(ping.found.unwrap_or_else(|error| with_causes(&error))),
    }
}

/// Adds a step about detached runs, if a server that can be used has any or would end them.
async fn with_runs(server: &str, mut steps: Vec<Step>, runs: &DetachedHost) -> Vec<Step> {
    if steps.iter().any(|step| step.failure.is_some()) {
        return steps;
    }
    let begin = Instant::now();
    let Some((detail, remedy)) = detached_runs(runs).await else { return steps };
    let (host, code, ms) = (String::new(), ExitCode::OK, millis(begin.elapsed()));
    steps.push(Step {
        server: server.to_owned(),
        host,
        step: RUNS,
        code,
        failure: None,
        ms,
        detail: Some(detail),
        remedy,
    });
    steps
}

/// Returns what is kept of detached runs on a server, and what to do where they end with the login session; nothing if there is
/// nothing to tell.
pub(super) async fn detached_runs(runs: &DetachedHost) -> Option<(String, Option<String>)> {
    let survey = timeout(SURVEY_BOUND, runs.survey(&Cancel::new())).await.ok()?;
    let RunsSurvey { folders, base, ends_with_session } = match survey {
        Ok(survey) => survey,
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "detached runs were not counted");
            return None;
        }
    };
    let kept = match folders {
        0 => format!("no detached run has a folder in `{base}`"),
        folders => format!("{} of detached runs in `{base}`", counted(folders, "folder")),
    };
    match (folders, ends_with_session) {
        (0, false) => None,
        (_, false) => Some((kept, None)),
        (_, true) => {
            let detail = format!("{kept}; systemd ends them with the login session (`KillUserProcesses`)");
            Some((detail, Some("`sudo loginctl enable-linger USER` there keeps later ones".to_owned())))
        }
    }
}

fn cluster(server: &str, ping: ClusterPing) -> Step {
    let failure = ping.found.as_ref().err().map(SlurmError::failure_kind);
    Step {
        server: server.to_owned(),
        host: String::new(),
        step: CLUSTER,
        code: ExitCode::of_outcome(failure),
        failure,
        ms: millis(ping.took),
        remedy: ping.found.as_ref().err().and_then(|error| slurm_hint(error, server)),
        detail: Some(ping.found.unwrap_or_else(|error| error.to_string())),
    }
}

fn verdict(steps: &[Step], servers: usize) -> Result<(), CliError> {
    let failed: Vec<&Step> = steps.iter().filter(|step| step.failure.is_some()).collect();
    let Some((first, kind)) = failed.first().and_then(|step| Some((step, step.failure?))) else { return Ok(()) };
    let why = first.detail.as_deref().unwrap_or_default();
    let mut message = format!("`{}`: {why}", first.server);
    if failed.len() > 1 {
        message = format!("{} of {servers} servers cannot be used, the first of them {message}", failed.len());
    }
    let hints = failed.iter().filter_map(|step| {
        let remedy = step.remedy.as_deref()?;
        Some(if failed.len() > 1 { format!("`{}`: {remedy}", step.server) } else { remedy.to_owned() })
    });
    Err(hints.fold(CliError::new(kind, message), CliError::hint))
}

fn here(server: String) -> Vec<Step> {
    let detail = Some("this machine".to_owned());
    let (host, code) = (String::new(), ExitCode::OK);
    vec![Step { server, host, step: "local", code, failure: None, ms: 0.0, detail, remedy: None }]
}

fn steps(server: &str, report: PingReport) -> Vec<Step> {
    let step = |made: PingStep, failure: Option<FailureKind>, detail: Option<String>, remedy: Option<String>| Step {
        server: server.to_owned(),
        host: made.host,
        step: name(made.kind),
        code: ExitCode::of_outcome(failure),
        failure,
        ms: millis(made.took),
        detail,
        remedy,
    };
    let mut steps: Vec<Step> = Vec::new();
    for mut made in report.steps {
        let detail = made.detail.take();
        steps.push(step(made, None, detail, None));
    }
    if let Some((made, error)) = report.failed {
        steps.push(step(made, Some(error.failure_kind()), Some(with_causes(&error)), ssh_hint(&error, server)));
    }
    steps
}

const fn name(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Resolve => "resolve",
        StepKind::Connect => "connect",
        StepKind::HostKey => "hostKey",
        StepKind::Authenticate => "authenticate",
        StepKind::Command => "command",
        _ => "step",
    }
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

impl TableRow for Step {
    const COLUMNS: &'static [&'static str] = &["server", "host", "step", "result", "ms", "detail"];
    const EXPENDABLE: &'static [&'static str] = &["ms", "host"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let result = if self.code == 0 { "ok" } else { "failed" };
        vec![
            self.server.clone(),
            self.host.clone(),
            self.step.to_owned(),
            result.to_owned(),
            format.milliseconds(self.ms),
            self.detail.clone().unwrap_or_default(),
        ]
    }

    fn is_failure(&self) -> bool {
        self.code != 0
    }
}
