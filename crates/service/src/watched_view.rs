//! The registry for a process that lives long: read again only after it has changed, and never older than a second.

use std::{sync::atomic::Ordering, time::Instant};

use crate::{error::ServiceError, registry_watch::MAX_VIEWS, runtime::Runtime, view::View};

impl Runtime {
    /// Keeps what is read of the registry from now on. The revision of a database on a server is asked for at requests, once a
    /// second at most; what an embedded database has is known without asking.
    pub fn watch_registry(&self) {
        self.registry_watch().enabled.store(true, Ordering::Relaxed);
    }

    /// Notes that the registry has changed: the next request asks for its revision.
    pub fn registry_changed(&self) {
        self.registry_watch().lock().asked = None;
    }

    /// As [`Runtime::view_of`], but from memory while [`Runtime::watch_registry`] was called and the registry has not changed.
    ///
    /// # Errors
    /// As [`Runtime::view_of`]; the revision cannot be read.
    pub async fn watched_view_of(&self, model: &str) -> Result<View, ServiceError> {
        let watch = self.registry_watch();
        if !watch.enabled.load(Ordering::Relaxed) || self.database().settings().url.is_embedded() {
            return self.view_of(model).await;
        }
        if !watch.is_current() {
            let _asking = watch.asking.lock().await;
            if !watch.is_current() {
                self.ask_for_revision().await?;
            }
        }
        let revision = {
            let views = watch.lock();
            if let Some(view) = views.of_models.get(model) {
                return Ok(view.clone());
            }
            views.revision
        };
        let view = self.view_of(model).await?;
        let mut views = watch.lock();
        // What was read after the revision is at least as new; after another revision it may be too old.
        if views.revision == revision && view.model(model).is_ok() {
            if views.of_models.len() >= MAX_VIEWS {
                views.of_models.clear();
            }
            views.of_models.insert(model.to_owned(), view.clone());
        }
        Ok(view)
    }

    async fn ask_for_revision(&self) -> Result<(), ServiceError> {
        let asked = Instant::now();
        let session = self.database().session().await?;
        let revision = session.registry_revision().await?;
        session.close().await?;
        let mut views = self.registry_watch().lock();
        if views.revision != Some(revision) {
            views.of_models.clear();
            views.revision = Some(revision);
        }
        views.asked = Some(asked);
        Ok(())
    }
}
