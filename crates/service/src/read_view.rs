//! Reads the view of the registry: from the snapshot while that holds, else from the database.

use std::sync::Arc;

use mer_dal::{Dialect, Snapshot, SnapshotOrSession};

use crate::{error::ServiceError, events::Activity, runtime::Runtime, view::View};

impl Runtime {
    /// All servers and models. Opens the database only where the snapshot does not hold, which is also what creates and
    /// migrates an embedded database on first use.
    ///
    /// # Errors
    /// As [`Runtime::session`].
    pub async fn view(&self) -> Result<View, ServiceError> {
        let current = schema_version();
        let _activity = self.begin(Activity::Database);
        let session = match self.database().snapshot_or_session().await? {
            SnapshotOrSession::Snapshot(snapshot) if snapshot.schema_version == current => {
                return Ok(View::new(snapshot));
            }
            SnapshotOrSession::Snapshot(_) => self.unreported_session().await?,
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
        Ok(View::new(Arc::new(view.sorted())))
    }

    /// One model and all servers, where the database is on a server that may have thousands of models; all models where
    /// none has this name, so that similar names are known, and of an embedded database.
    ///
    /// # Errors
    /// As [`Runtime::session`].
    pub async fn view_of(&self, model: &str) -> Result<View, ServiceError> {
        if self.database().settings().url.is_embedded() {
            return self.view().await;
        }
        let activity = self.begin(Activity::Database);
        let session = self.unreported_session().await?;
        let Some(model) = session.model(model).await? else {
            drop(activity);
            return self.view().await;
        };
        // All servers, in one question: a variable that holds the password of any of them is kept from the model.
        let servers = session.servers().await?;
        let models = vec![model];
        let view = Snapshot {
            database_uid: session.database_uid().await?,
            schema_version: schema_version(),
            servers,
            weights: session.named_versions(&models).await?,
            versions: Vec::new(),
            models,
        };
        session.close().await?;
        Ok(View::new(Arc::new(view.sorted())))
    }
}

/// The schema of this version.
fn schema_version() -> u32 {
    mer_migrations::embedded(Dialect::Surreal).last().map_or(0, |script| script.number)
}
