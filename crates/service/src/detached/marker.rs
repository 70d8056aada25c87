//! A file that says that this user has detached runs. Without it an embedded database is not opened to look for them, which
//! would cost each `ps` and each minute of a resident tens of milliseconds.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::runtime::Runtime;

/// Age that the file has at least when it is removed: a run may be put on record a moment after the file was written.
const MIN_AGE: Duration = Duration::from_secs(60);

/// The file; none for a database on a server, where other users' runs are looked after too.
#[derive(Debug)]
pub(super) struct Marker(Option<PathBuf>);

impl Marker {
    /// Removes the file, because no run is left.
    pub(super) fn remove(&self) {
        let Some(path) = &self.0 else { return };
        let written = fs::metadata(path).and_then(|meta| meta.modified());
        let is_old = |written| SystemTime::now().duration_since(written).is_ok_and(|age| age >= MIN_AGE);
        if written.is_ok_and(is_old) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Runtime {
    /// Returns the marker; none if there are no runs to look for.
    pub(super) fn detached_marker(&self) -> Option<Marker> {
        if !self.database().settings().url.is_embedded() {
            return Some(Marker(None));
        }
        let path = self.detached_marker_path();
        path.exists().then_some(Marker(Some(path)))
    }

    /// Whether there may be detached runs to look after.
    #[must_use]
    pub fn may_have_detached(&self) -> bool {
        self.detached_marker().is_some()
    }

    /// Notes that a run is detached. Without the file it is found by its uid only, or by another command.
    pub(super) fn mark_detached(&self) {
        if !self.database().settings().url.is_embedded() {
            return;
        }
        let path = self.detached_marker_path();
        let written = path
            .parent()
            .map_or(Ok(()), mer_files::create_private_dir)
            .and_then(|()| mer_files::internal().write().create(0o600).truncate().open(&path))
            .and_then(|file| std::io::Write::write_all(&mut &file, b"detached runs\n"));
        if let Err(error) = written {
            tracing::debug!(%error, "the marker of detached runs was not written");
        }
    }

    fn detached_marker_path(&self) -> PathBuf {
        self.settings().training_dir.with_file_name("detached-runs")
    }
}
