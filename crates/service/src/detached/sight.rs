//! What a look has shown of one detached run.

use mer_core::DetachedRun;
use mer_meal::SeenRun;
use mer_scheduler::DetachedHost;

/// What a look has shown of a run.
pub(super) struct Sight {
    pub(super) run: DetachedRun,
    /// How it stands, or why that could not be found out.
    pub(super) seen: Result<SeenRun, String>,
    /// The machine; none if its server is not registered, or is another machine's own.
    pub(super) host: Option<DetachedHost>,
}

impl Sight {
    /// Returns the path of the run's folder, if it is known.
    pub(super) fn folder(&self) -> Option<String> {
        let seen = self.seen.as_ref().ok().and_then(|seen| seen.folder.clone());
        self.run.folder.clone().or(seen)
    }
}
