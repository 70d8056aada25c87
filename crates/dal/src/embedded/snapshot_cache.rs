//! A snapshot that was read once is not read again while nobody has opened the engine since.

use std::sync::{Arc, Mutex, PoisonError};

use super::paths::EnginePaths;
use super::{fingerprint::LockMark, snapshot::Snapshot};

/// The last snapshot that held, and the engine's lock file as it was then. Each opening of the engine changes that file,
/// so that one look at it tells whether the snapshot still holds.
#[derive(Debug, Default)]
pub(crate) struct SnapshotCache(Mutex<Option<(LockMark, Arc<Snapshot>)>>);

impl SnapshotCache {
    /// The snapshot, where there is one and it holds.
    pub(crate) fn load(&self, files: &EnginePaths) -> Option<Arc<Snapshot>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the reading: an opening in between leaves a mark that never matches again.
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
