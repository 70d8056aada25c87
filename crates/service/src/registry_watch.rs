//! What a process that lives long knows of the registry.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use crate::view::View;

/// Time during which the revision that a server told is taken for the current one.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Maximum number of models whose views are kept.
pub(crate) const MAX_VIEWS: usize = 4096;

/// Views of models in a database on a server, as of one revision of the registry.
#[derive(Debug, Default)]
pub(crate) struct RegistryWatch {
    /// Whether views are kept at all.
    pub(crate) enabled: AtomicBool,
    views: Mutex<Views>,
    /// One request asks for the revision; those that come meanwhile use its answer.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Views {
    pub(crate) revision: Option<u64>,
    /// When the revision was last asked for: before the question was sent.
    pub(crate) asked: Option<Instant>,
    pub(crate) of_models: HashMap<String, View>,
}

impl RegistryWatch {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_current(&self) -> bool {
        self.lock().asked.is_some_and(|asked| asked.elapsed() < MAX_AGE)
    }
}
