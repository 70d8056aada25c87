//! `mer model`.

use std::collections::BTreeMap;

use mer_core::{Command, LOCAL_SERVER, Model, ModelParams, ModelSpec, Registry};
use mer_scheduler::ModelPingReport;
use serde_json::json;

use super::registry_fields::{Whole, registered};
use crate::{
    app::App,
    cli::{ModelVerb, PingArgs},
    commands::weights,
    errors::{CliError, Kind},
    ui::{Format, Listed, Shown, Ui},
};

/// Lists, shows or checks models.
pub(crate) async fn model(app: &App, verb: &ModelVerb, ui: Ui) -> Result<u8, CliError> {
    let view = app.signals.or_ended(app.view()).await?;
    match verb {
        ModelVerb::List if ui.format() == Format::Json => {
            ui.objects(&view.models.iter().map(whole).collect::<Vec<_>>())?;
        }
        ModelVerb::List => ui.list(&view.models)?,
        ModelVerb::Show(args) if ui.format() == Format::Json => ui.json(&whole(view.model(&args.name)?))?,
        ModelVerb::Show(args) => ui.show(view.model(&args.name)?)?,
        ModelVerb::Ping(args) => return ping(app, args, ui).await,
        // Those have a file of their own.
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
        ("protocol", json!(model.spec.params.protocol().name())),
    ];
    Whole::new(model, &keys, &defaults)
}

/// Checks that commands exist where they are to run, and that processes that stay up become ready. A line a model and
/// server; the exit code is that of the first one that failed.
async fn ping(app: &App, args: &PingArgs, ui: Ui) -> Result<u8, CliError> {
    let view = app.signals.or_ended(app.view()).await?;
    let models = if args.names.is_empty() {
        view.models.iter().collect()
    } else {
        args.names.iter().map(|name| view.model(name)).collect::<Result<Vec<_>, _>>()?
    };
    let mut reports = Vec::new();
    for model in models {
        let cancel = mer_meal::Cancel::new();
        app.moves_records(&view);
        let weights = weights::current(&view, &model.name, Some(ui));
        let told = app.telling(|| format!("looking at `{}` (at most its `readyTimeout`; Ctrl-C ends it)", model.name));
        let pings = app.scheduler(&view).ping(model, &view.servers, weights.as_ref(), &cancel);
        let (pings, signal) = app.signals.cancelling(&cancel, || None, pings).await;
        drop(told);
        reports.extend(pings?);
        if let Some(signal) = signal {
            return Err(CliError::new(signal.kind(), format!("ended by {signal}")));
        }
    }
    ui.list(&reports)?;
    match reports.iter().find(|report| report.code != 0) {
        None => Ok(0),
        Some(first) => {
            let failed = reports.iter().filter(|report| report.code != 0).count();
            let told = format!("{failed} of {} checks failed, the first of `{}`", reports.len(), first.model);
            Err(CliError::new(Kind::of_code(first.code), told))
        }
    }
}

impl Listed for Model {
    const COLUMNS: &'static [&'static str] = &["name", "protocol", "servers", "command", "updated"];

    fn cells(&self) -> Vec<String> {
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
            format!("{:.0}", self.last_updated),
        ]
    }
}

impl Shown for Model {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let models = BTreeMap::from([(self.name.clone(), self.spec.clone())]);
        let itself = Registry { models, ..Registry::default() };
        registered(&self.name, &self.uid, self.created_at, self.last_updated, &itself)
    }
}

impl Listed for ModelPingReport {
    const COLUMNS: &'static [&'static str] = &["model", "server", "result", "ms", "detail"];

    fn cells(&self) -> Vec<String> {
        let result = if self.code == 0 { "ok" } else { "failed" };
        vec![self.model.clone(), self.server.clone(), result.to_owned(), format!("{:.3}", self.ms), self.detail.clone()]
    }
}

fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned())
}

/// As much of a command as a table has room for; `model show` has all of it.
fn shortened(command: &str) -> String {
    const ROOM: usize = 48;
    if command.chars().count() <= ROOM {
        return command.to_owned();
    }
    command.chars().take(ROOM - 1).chain(['…']).collect()
}
