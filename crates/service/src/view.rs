//! Servers and models at one moment.

use std::{ops::Deref, sync::Arc};

use mer_core::{Model, Server};
use mer_dal::Snapshot;

use crate::error::ServiceError;

/// The registry at one moment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View(Arc<Snapshot>);

impl Deref for View {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl View {
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self(snapshot)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ServiceError::UnknownObject`] where there is none.
    pub fn model(&self, name: &str) -> Result<&Model, ServiceError> {
        let names = self.models.iter().map(|model| model.name.as_str());
        self.0.model(name).ok_or_else(|| ServiceError::unknown_object("model", name, names))
    }

    /// The server of this name.
    ///
    /// # Errors
    /// As [`View::model`].
    pub fn server(&self, name: &str) -> Result<&Server, ServiceError> {
        let names = self.servers.iter().map(|server| server.name.as_str());
        self.0.server(name).ok_or_else(|| ServiceError::unknown_object("server", name, names))
    }
}
