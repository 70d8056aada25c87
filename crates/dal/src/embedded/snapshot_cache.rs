//! Caches the snapshot until the engine is opened again.

use std::sync::{Arc, Mutex, PoisonError};

use super::paths::EnginePaths;
use super::{fingerprint::LockMark, snapshot::Snapshot};

/// The last valid snapshot, and the state of the engine's lock file when it was loaded. Each opening of the engine
/// changes that file, so one system call tells whether the snapshot is still valid.
#[derive(Debug, Default)]
pub(crate) struct SnapshotCache(Mutex<Option<(LockMark, Arc<Snapshot>)>>);

impl SnapshotCache {
    /// Returns the snapshot, if there is a valid one.
    pub(crate) fn load(&self, files: &EnginePaths) -> Option<Arc<Snapshot>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the snapshot: an opening in between leaves a state that never matches again.
        let mark = LockMark::of(&files.engine_lock);
        if let (Some((of, snapshot)), Some(mark)) = (&*kept, &mark)
            && of == mark
        {
            return Some(Arc::clone(snapshot));
        }
        let snapshot = Snapshot::load(files).map(Arc::new);
        *kept = mark.zip(snapshot.clone());
        snapshot
    }
}
