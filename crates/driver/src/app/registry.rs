//! Servers and models as commands see them: from the snapshot while that holds, else from the database.

use std::{ops::Deref, sync::Arc};

use mer_core::{Model, Server};
use mer_dal::{Dialect, Snapshot, SnapshotOrSession};

use super::App;
use crate::errors::CliError;

/// The registry at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View(Arc<Snapshot>);

impl Deref for View {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl View {
    /// The model of this name.
    ///
    /// # Errors
    /// There is none (66); the nearest names become the hint.
    pub(crate) fn model(&self, name: &str) -> Result<&Model, CliError> {
        let names = self.models.iter().map(|model| model.name.as_str());
        self.models.iter().find(|model| model.name == name).ok_or_else(|| CliError::not_found("model", name, names))
    }

    /// The server of this name.
    ///
    /// # Errors
    /// As [`View::model`].
    pub(crate) fn server(&self, name: &str) -> Result<&Server, CliError> {
        let names = self.servers.iter().map(|server| server.name.as_str());
        self.servers.iter().find(|server| server.name == name).ok_or_else(|| CliError::not_found("server", name, names))
    }
}

impl App {
    /// Servers and models. Opens the database only where the snapshot does not hold, which is also what creates and
    /// migrates an embedded database on first use.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn view(&self) -> Result<View, CliError> {
        let current = current();
        let _told = self.telling_of_database();
        let session = match self.database.snapshot_or_session().await? {
            SnapshotOrSession::Snapshot(snapshot) if snapshot.schema_version == current => return Ok(View(snapshot)),
            SnapshotOrSession::Snapshot(_) => self.session_untold().await?,
            SnapshotOrSession::Session(session) => self.checked(*session, false).await?.0,
        };
        let models = session.models().await?;
        let view = Snapshot {
            database_uid: session.database_uid().await?,
            schema_version: current,
            servers: session.servers().await?,
            weights: session.named_versions(&models).await?,
            // The snapshot that closing leaves has them; a server is asked for the one that is named.
            versions: Vec::new(),
            models,
        };
        session.close().await?;
        Ok(View(Arc::new(view)))
    }

    /// Of a server's registry only the one model, with its servers: there may be thousands. All there is where there is
    /// no such model, so that the nearest names can be told.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn view_of(&self, model: &str) -> Result<View, CliError> {
        if self.database.settings().url.is_embedded() {
            return self.view().await;
        }
        let told = self.telling_of_database();
        let session = self.session_untold().await?;
        let Some(model) = session.model(model).await? else {
            drop(told);
            return self.view().await;
        };
        // All of them, in one question: what holds the password of any of them is kept from the model.
        let servers = session.servers().await?;
        let models = vec![model];
        let view = Snapshot {
            database_uid: session.database_uid().await?,
            schema_version: current(),
            servers,
            weights: session.named_versions(&models).await?,
            versions: Vec::new(),
            models,
        };
        session.close().await?;
        Ok(View(Arc::new(view)))
    }
}

/// The schema of this version.
fn current() -> u32 {
    mer_migrations::embedded(Dialect::Surreal).last().map_or(0, |script| script.number)
}
