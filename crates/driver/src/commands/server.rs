//! `mer server`.

use std::collections::BTreeMap;

use mer_core::{ConnParams, Registry, Server};
use mer_service::registry::REDACTED;
use serde_json::json;

use super::{
    registry_fields::{Whole, registered},
    server_ping,
};
use crate::{
    app::App,
    cli::ServerVerb,
    errors::CliError,
    ui::{CellFormat, Details, Format, TableRow, Ui},
};

/// Lists, shows or checks servers.
pub(crate) async fn server(app: &App, verb: &ServerVerb, ui: Ui) -> Result<(), CliError> {
    let view = app.runtime.view().await?;
    match verb {
        ServerVerb::List if ui.format() == Format::Json => {
            let servers: Vec<Server> = view.servers.iter().map(redacted).collect();
            ui.objects(&servers.iter().map(whole).collect::<Vec<_>>())
        }
        ServerVerb::List => ui.list(&view.servers.iter().map(redacted).collect::<Vec<_>>()),
        ServerVerb::Ping(args) => server_ping::ping(app, args, ui).await,
        ServerVerb::Show(args) if ui.format() == Format::Json => ui.json(&whole(&redacted(view.server(&args.name)?))),
        ServerVerb::Show(args) => ui.show(&redacted(view.server(&args.name)?)),
        // These are in `change`.
        ServerVerb::Add(_) | ServerVerb::Set(_) | ServerVerb::Remove(_) => Ok(()),
    }
}

/// The server with every key of its JSON.
fn whole(server: &Server) -> Whole<'_, Server> {
    Whole::new(server, ConnParams::KEYS, &[("resources", json!({}))])
}

/// The server as it may be shown, in JSON too: without its password.
fn redacted(server: &Server) -> Server {
    let mut server = server.clone();
    if server.spec.params.password.is_some() {
        server.spec.params.password = Some(REDACTED.to_owned());
    }
    server
}

impl TableRow for Server {
    const COLUMNS: &'static [&'static str] = &["name", "type", "host", "updated"];
    const EXPENDABLE: &'static [&'static str] = &["updated"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let params = &self.spec.params;
        let host = params.host.as_deref().unwrap_or_default();
        let user = params.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = params.port.map(|port| format!(":{port}")).unwrap_or_default();
        vec![
            self.name.clone(),
            self.spec.conn_type.to_string(),
            format!("{user}{host}{port}"),
            format.time(self.last_updated),
        ]
    }
}

impl Details for Server {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let servers = BTreeMap::from([(self.name.clone(), self.spec.clone())]);
        let itself = Registry { servers, ..Registry::default() };
        registered(&self.name, &self.uid, self.created_at, self.last_updated, &itself)
    }
}
