//! Looks at the runs that outlive their caller.

use mer_core::ServerSpec;
use mer_service::detached::{DetachedStatus, Standing};

use super::Finding;
use crate::{app::App, commands::server_ping::detached_runs, errors::CliError, ui::counted};

const CHECK: &str = "detached runs";

/// Looks at the detached runs, and puts the ends of those on record that are over. Returns nothing if there are none.
pub(super) async fn look(app: &App) -> Option<Finding> {
    match app.runtime.known_detached().await {
        Ok(runs) => found(&runs),
        Err(error) => {
            let remedy = "docs/reference/database-rights.md has the rights";
            Some(Finding::error(CHECK, &CliError::from(error), remedy))
        }
    }
}

/// Looks at what a server that answers keeps of detached runs. Returns nothing if there is nothing to tell.
pub(super) async fn on_server(app: &App, name: &str, spec: &ServerSpec) -> Option<Finding> {
    let host = app.detached_host(name, spec, app.executor_of(name, spec, false));
    let (detail, remedy) = detached_runs(&host).await?;
    let check = format!("{CHECK} on {name}");
    Some(match remedy {
        Some(remedy) => Finding::warning(check, detail, remedy),
        None => Finding::ok(check, detail),
    })
}

fn found(runs: &[DetachedStatus]) -> Option<Finding> {
    let open: Vec<_> = runs.iter().filter(|status| !matches!(status.standing, Standing::Collected(_))).collect();
    let why = |status: &DetachedStatus| match &status.standing {
        Standing::Unknown(why) | Standing::Ended(why) => Some(format!("`{}`: {why}", status.run.request_uid)),
        _ => None,
    };
    let unclear: Vec<String> = open.iter().filter_map(|status| why(status)).collect();
    let count = |number: usize| counted(number as u64, "detached run");
    match (open.as_slice(), unclear.first()) {
        ([], _) => None,
        (open, None) => Some(Finding::ok(CHECK, format!("{} in progress", count(open.len())))),
        (_, Some(first)) => {
            let detail = format!("{} could not be looked at; the first one is {first}", count(unclear.len()));
            Some(Finding::warning(CHECK, detail, "`mer ps` shows them; none is lost before its time (`collectBy`)"))
        }
    }
}
