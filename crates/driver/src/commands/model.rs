//! `mer model`.

use std::collections::BTreeMap;

use mer_core::{Command, LOCAL_SERVER, Model, ModelParams, ModelSpec, Registry};
use mer_scheduler::ModelPingReport;
use mer_service::{ModelHost as _, ResolvedModel};
use serde::Serialize;
use serde_json::json;

use super::registry_fields::{Whole, registered};
use crate::{
    app::App,
    cli::{ModelVerb, PingArgs},
    commands::weights,
    errors::{CliError, ExitCode, ssh_hint},
    ui::{CellFormat, Details, Format, TableRow, Ui},
};

/// Lists, shows or checks models.
pub(crate) async fn model(app: &App, verb: &ModelVerb, ui: Ui) -> Result<u8, CliError> {
    let view = app.signals.unless_ended(async { Ok(app.runtime.view().await?) }).await?;
    match verb {
        ModelVerb::List if ui.format() == Format::Json => {
            ui.objects(&view.models.iter().map(whole).collect::<Vec<_>>())?;
        }
        ModelVerb::List => ui.list(&view.models)?,
        ModelVerb::Show(args) if ui.format() == Format::Json => ui.json(&whole(view.model(&args.name)?))?,
        ModelVerb::Show(args) => ui.show(view.model(&args.name)?)?,
        ModelVerb::Ping(args) => return ping(app, args, ui).await,
        // These are in `change`.
        ModelVerb::Add(_) | ModelVerb::Set(_) | ModelVerb::Remove(_) => {}
    }
    Ok(0)
}

/// The model with every key of its JSON.
fn whole(model: &Model) -> Whole<'_, Model> {
    let keys = [ModelSpec::OWN_KEYS, ModelParams::KEYS].concat();
    let defaults = [
        ("servers", json!([LOCAL_SERVER])),
        ("on", json!({})),
        ("env", json!({})),
        ("needs", json!({})),
        ("resourceEnv", json!({})),
        ("protocol", json!(model.spec.params.protocol().name())),
    ];
    Whole::new(model, &keys, &defaults)
}

/// Checks that commands exist where they are to run, and that processes which stay up become ready. Prints a line for each
/// model and server; the exit code is that of the first failure.
async fn ping(app: &App, args: &PingArgs, ui: Ui) -> Result<u8, CliError> {
    let view = app.signals.unless_ended(async { Ok(app.runtime.view().await?) }).await?;
    let models = if args.names.is_empty() {
        view.models.iter().collect()
    } else {
        args.names.iter().map(|name| view.model(name)).collect::<Result<Vec<_>, _>>()?
    };
    let host = app.model_host();
    let mut reports = Vec::new();
    for model in models {
        let cancel = mer_meal::Cancel::new();
        let weights = mer_service::weights::current(&view, &model.name);
        let model = ResolvedModel::new(view.clone(), &model.name, weights)?;
        let wait = app
            .show_wait(|| format!("looking at `{}` (at most its `readyTimeout`; Ctrl-C ends it)", model.model().name));
        let pings = async { host.load(&model, weights::progress(ui), &cancel).await };
        let (pings, signal) = app.signals.cancel_on_signal(&cancel, || None, pings).await;
        drop(wait);
        reports.extend(pings?);
        if let Some(signal) = signal {
            return Err(CliError::ended_by(signal));
        }
    }
    let failed: Vec<_> = reports.iter().filter_map(|report| Some((report.failure?, report.model.clone()))).collect();
    let rows: Vec<PingRow> = reports.into_iter().map(PingRow::from).collect();
    ui.list(&rows)?;
    let Some((kind, model)) = failed.first() else { return Ok(0) };
    let message = format!("{} of {} checks failed, the first of `{model}`", failed.len(), rows.len());
    Err(CliError::new(*kind, message))
}

/// What was found of one model on one server.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PingRow {
    model: String,
    server: String,
    /// 0, or the exit code that a run would end with.
    code: u8,
    ms: f64,
    /// What was found, or what is wrong and what to do about it.
    detail: String,
}

impl From<ModelPingReport> for PingRow {
    fn from(report: ModelPingReport) -> Self {
        let detail = ping_detail(&report);
        let ModelPingReport { model, server, failure, ms, .. } = report;
        Self { model, server, code: ExitCode::of_outcome(failure), ms, detail }
    }
}

/// Returns the detail of a report, with what to do about a server that cannot be used.
pub(super) fn ping_detail(report: &ModelPingReport) -> String {
    match report.unreachable.as_ref().and_then(|error| ssh_hint(error, &report.server)) {
        Some(hint) => format!("{} ({hint})", report.detail),
        None => report.detail.clone(),
    }
}

impl TableRow for Model {
    const COLUMNS: &'static [&'static str] = &["name", "protocol", "servers", "command", "updated"];
    const EXPENDABLE: &'static [&'static str] = &["updated", "protocol"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let params = &self.spec.params;
        let command = match &params.inference_command {
            Some(Command::Argv(argv)) => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
            Some(Command::Line(line)) => format!("sh -c {}", quoted(line)),
            None => String::new(),
        };
        vec![
            self.name.clone(),
            params.protocol().to_string(),
            self.spec.servers().join(","),
            shortened(&command),
            format.time(self.last_updated),
        ]
    }
}

impl Details for Model {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let models = BTreeMap::from([(self.name.clone(), self.spec.clone())]);
        let itself = Registry { models, ..Registry::default() };
        registered(&self.name, &self.uid, self.created_at, self.last_updated, &itself)
    }
}

impl TableRow for PingRow {
    const COLUMNS: &'static [&'static str] = &["model", "server", "result", "ms", "detail"];
    const EXPENDABLE: &'static [&'static str] = &["ms"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let result = if self.code == 0 { "ok" } else { "failed" };
        vec![
            self.model.clone(),
            self.server.clone(),
            result.to_owned(),
            format.milliseconds(self.ms),
            self.detail.clone(),
        ]
    }

    fn is_failure(&self) -> bool {
        self.code != 0
    }
}

fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned())
}

/// Shortens a command to fit into a table; `model show` prints all of it.
fn shortened(command: &str) -> String {
    const ROOM: usize = 48;
    if command.chars().count() <= ROOM {
        return command.to_owned();
    }
    command.chars().take(ROOM - 1).chain(['…']).collect()
}
