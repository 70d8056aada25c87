//! Checks that servers can be reached, and that models and their interpreters are where they are to run.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use mer_core::{ConnType, LOCAL_SERVER, Model, Registry, Server, with_causes};
use mer_dal::Snapshot;
use mer_scheduler::ModelPingReport;
use mer_service::{ModelHost as _, ResolvedModel, View, weights};

use super::{Finding, detached, resources};
use crate::{
    app::App,
    commands::{model::ping_detail, server_ping},
    errors::CliError,
};

/// Checks the rows, the servers and the models. A server that does not answer has its own bound.
pub(super) async fn look(app: &App) -> Result<Vec<Finding>, CliError> {
    let view = app.runtime.view().await?;
    let mut findings = odd_rows(&view);
    let is_elsewhere =
        |server: &&Server| server.spec.conn_type != ConnType::Local || server.spec.params.launcher_remote == Some(true);
    for server in view.servers.iter().filter(is_elsewhere) {
        findings.extend(server_found(app, server).await);
    }
    let here = view.servers.iter().find(|server| server.name == LOCAL_SERVER).map(|server| server.spec.clone());
    findings.extend(detached::on_server(app, LOCAL_SERVER, &here.unwrap_or_default()).await);
    let (of_machine, pool) = (&app.settings.resources.0, app.settings.pool.as_deref());
    findings.extend(resources::look(&view.models, &view.servers, of_machine, pool));
    findings.extend(models(app, &view).await?);
    Ok(findings)
}

/// Finds rows that no command writes and that `mer import` refuses: another program has written them.
fn odd_rows(found: &Snapshot) -> Vec<Finding> {
    let of = |check: String, wrong: String| {
        let detail = format!("the row has a value that `mer import` refuses: {wrong}");
        Finding::warning(check, detail, "correct it in the database before you move it by `mer export`")
    };
    let servers = found.servers.iter().map(|server| (format!("server {}", server.name), server.check()));
    let models = found.models.iter().map(|model| (format!("model {}", model.name), model.check()));
    let versions = found.versions.iter().map(|version| (format!("weights {version}"), version.check()));
    let rows = servers.chain(models).chain(versions);
    let rows = rows.filter_map(|(check, checked)| Some(of(check, checked.err()?.to_string())));
    let whole = found.registry().check(&Registry::default()).err();
    let whole = whole.map(|wrong| of("registry".to_owned(), with_causes(&wrong)));
    rows.chain(whole).collect()
}

async fn server_found(app: &App, server: &Server) -> Vec<Finding> {
    let check = format!("server {}", server.name);
    let retry = format!("mer server ping {}", server.name);
    match server_ping::look(app, server).await {
        Ok(detail) => {
            let runs = detached::on_server(app, &server.name, &server.spec).await;
            [Finding::ok(check, detail)].into_iter().chain(runs).collect()
        }
        Err((detail, remedy)) => vec![Finding::failed(check, detail, remedy.unwrap_or(retry))],
    }
}

async fn models(app: &App, view: &View) -> Result<Vec<Finding>, CliError> {
    let mut findings = Vec::new();
    for model in &view.models {
        let cancel = mer_meal::Cancel::new();
        let remedy = format!("mer model show {}", model.name);
        let resolved = ResolvedModel::new(view.clone(), &model.name, weights::current(view, &model.name))?;
        match app.model_host().load(&resolved, None, &cancel).await {
            Ok(reports) => findings.extend(reports.iter().map(|report| model_found(view, report, &remedy))),
            Err(error) => findings.push(Finding::error(format!("model {}", model.name), &error.into(), &remedy)),
        }
    }
    Ok(findings)
}

fn model_found(view: &View, report: &ModelPingReport, remedy: &str) -> Finding {
    let check = format!("model {} on {}", report.model, report.server);
    if report.failure.is_some() {
        return Finding::failed(check, ping_detail(report), remedy);
    }
    let is_remote = |model: &Model| model.spec.on_server(&report.server).launcher_remote == Some(true);
    let local = view.servers.iter().all(|server| {
        server.name != report.server || (server.spec.conn_type == ConnType::Local && server.spec.starts_here())
    }) && !view.models.iter().any(|model| model.name == report.model && is_remote(model));
    // The detail of a process that became ready ends with ", ready" and is no path: its interpreter has run.
    match local.then(|| missing_interpreter(Path::new(&report.detail))).flatten() {
        Some(interpreter) => {
            let detail = format!("{} wants `{}`, which is not there", report.detail, interpreter.display());
            Finding::failed(check, detail, "install it, or change the first line of the program")
        }
        None => Finding::ok(check, &report.detail),
    }
}

/// Returns the interpreter that the first line of a script names, if it does not exist.
fn missing_interpreter(program: &Path) -> Option<PathBuf> {
    let mut head = [0_u8; 256];
    let count = mer_files::external().read().open(program).ok()?.read(&mut head).ok()?;
    let line = head.get(..count)?.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let interpreter = PathBuf::from(line.split_whitespace().next()?);
    (!interpreter.exists()).then_some(interpreter)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rows_that_an_import_refuses_are_found() {
        let model = |uid: &str, name: &str| {
            serde_json::json!({
                "uid": uid, "name": name, "createdAt": "2026-01-01T00:00:00Z", "lastUpdated": "2026-01-01T00:00:00Z",
                "inferenceCommand": ["cat"],
            })
        };
        let found = |models: Vec<serde_json::Value>| {
            let snapshot = Snapshot {
                database_uid: uuid::Uuid::nil(),
                schema_version: 1,
                servers: Vec::new(),
                models: serde_json::from_value(models.into()).expect("models"),
                weights: Vec::new(),
                versions: Vec::new(),
            };
            odd_rows(&snapshot)
                .into_iter()
                .map(|found| format!("{}: {}", found.check, found.detail))
                .collect::<Vec<_>>()
        };
        let uid = "01a21979-5057-7198-a323-ca9dfabbeee4";
        assert_eq!(found(vec![model(uid, "cat")]), [""; 0]);
        let [odd] = &found(vec![model("x", "cat")])[..] else { panic!("one") };
        assert!(odd.starts_with("model cat: the row has a value that `mer import` refuses: "), "{odd}");
        let [odd] = &found(vec![model(uid, &"n".repeat(129))])[..] else { panic!("one") };
        assert!(odd.contains("has 129 bytes, and a name has at most 128"), "{odd}");
    }

    #[test]
    fn a_script_whose_interpreter_is_not_there_is_found() {
        let folder = tempfile::tempdir().expect("temp dir");
        let file = |text: &str| {
            let path = folder.path().join("program");
            fs::write(&path, text).expect("file");
            missing_interpreter(&path)
        };
        assert_eq!(file("#! /no/such/python -u\nprint()\n"), Some("/no/such/python".into()));
        assert_eq!(file("#!/bin/sh\n"), None);
        assert_eq!(file("\x7fELF"), None);
        assert_eq!(file(""), None);
        assert_eq!(missing_interpreter(Path::new("/no/such/file")), None);
    }
}
