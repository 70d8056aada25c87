//! The files of a journal folder: `ID.seg` a segment, `ID.drained` how far it has been recorded, `ID.new` one that is
//! being made, `corrupt.jsonl` lines that could not be read, `ID.corrupt` segments without a readable header,
//! `refused.jsonl` accesses that the database does not take.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

pub(super) const SEGMENT: &str = "seg";
pub(super) const DRAINED: &str = "drained";
pub(super) const NEW: &str = "new";
pub(super) const CORRUPT: &str = "corrupt";
pub(super) const CORRUPT_LINES: &str = "corrupt.jsonl";
pub(super) const REFUSED: &str = "refused.jsonl";
pub(super) const DRAIN_LOCK: &str = "drain.lock";

/// How much waits to be drained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pending {
    /// Segments in the folder, those in use included.
    pub segments: usize,
    /// Bytes that have not been recorded yet.
    pub bytes: u64,
}

/// Counts what waits. A folder that is not there, or cannot be read, counts as empty.
pub(crate) fn pending(dir: &Path) -> Pending {
    let mut pending = Pending::default();
    for path in with_ending(dir, SEGMENT).unwrap_or_default() {
        let bytes = fs::symlink_metadata(&path).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
        pending.segments += 1;
        pending.bytes += bytes.saturating_sub(drained(&path));
    }
    pending
}

/// Opens a segment to be read. One that another user has put there is not believed, but root is, and believes all.
pub(super) fn open_segment(path: &Path) -> io::Result<File> {
    let file = mer_files::internal().read().open(path)?;
    let (owner, us) = (file.metadata()?.uid(), geteuid().as_raw());
    if owner == us || owner == 0 || us == 0 {
        return Ok(file);
    }
    Err(io::Error::other(format!("it belongs to user {owner}, and this is user {us}")))
}

/// The files of this ending, oldest first: their names begin with the time.
pub(super) fn with_ending(dir: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// How many bytes of a segment have been recorded.
pub(super) fn drained(segment: &Path) -> u64 {
    let text = mer_files::read_internal_to_string(segment.with_extension(DRAINED));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Remembers how many bytes of a segment have been recorded.
pub(super) fn set_drained(segment: &Path, bytes: u64) -> io::Result<()> {
    mer_files::replace(&segment.with_extension(DRAINED), bytes.to_string().as_bytes())
}
