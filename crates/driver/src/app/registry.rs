//! Servers and models as commands see them: from the snapshot while that holds, else from the database.

use std::rc::Rc;

use mer_core::{Model, Server};
use mer_dal::Snapshot;
use uuid::Uuid;

use super::App;
use crate::error::CliError;

/// The registry at one moment.
#[derive(Debug)]
pub(crate) struct View {
    /// The database's own uid.
    pub(crate) database_uid: Uuid,
    /// Servers by name.
    pub(crate) servers: Vec<Server>,
    /// Models by name.
    pub(crate) models: Vec<Model>,
}

impl View {
    /// The model of this name.
    ///
    /// # Errors
    /// There is none (66); the nearest names become the hint.
    pub(crate) fn model(&self, name: &str) -> Result<&Model, CliError> {
        let names = self.models.iter().map(|model| model.name.as_str());
        self.models
            .iter()
            .find(|model| model.name == name)
            .ok_or_else(|| CliError::not_found("model", name, names).hint("`mer model list` shows all there are"))
    }

    /// The server of this name.
    ///
    /// # Errors
    /// As [`View::model`].
    pub(crate) fn server(&self, name: &str) -> Result<&Server, CliError> {
        let names = self.servers.iter().map(|server| server.name.as_str());
        self.servers
            .iter()
            .find(|server| server.name == name)
            .ok_or_else(|| CliError::not_found("server", name, names).hint("`mer server list` shows all there are"))
    }
}

impl From<Snapshot> for View {
    fn from(snapshot: Snapshot) -> Self {
        Self { database_uid: snapshot.database_uid, servers: snapshot.servers, models: snapshot.models }
    }
}

impl App {
    /// Servers and models. Opens the database only where the snapshot does not hold, which is also what creates and
    /// migrates an embedded database on first use.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn view(&self) -> Result<Rc<View>, CliError> {
        let current = mer_migrations::embedded().last().map_or(0, |script| script.number);
        if let Some(snapshot) = self.database.snapshot()
            && snapshot.schema_version == current
        {
            return Ok(Rc::new(snapshot.into()));
        }
        let session = self.session().await?;
        let view = View {
            database_uid: session.database_uid().await?,
            servers: session.servers().await?,
            models: session.models().await?,
        };
        session.close().await?;
        Ok(Rc::new(view))
    }
}
