//! Files of a journal folder: `ID.seg` is a segment, `ID.drained` says how far it has been recorded, `ID.new` is an
//! unfinished segment, `corrupt.jsonl` has lines that could not be read, `ID.corrupt` is a segment without a readable
//! header, `refused.jsonl` has accesses that the database refused.

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

/// Amount of data that waits to be drained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pending {
    /// Number of segments in the folder, those in use included.
    pub segments: usize,
    /// Number of bytes that have not been recorded yet.
    pub bytes: u64,
}

/// Counts the data that waits. A folder that does not exist or cannot be read counts as empty.
pub(crate) fn pending(dir: &Path) -> Pending {
    let mut pending = Pending::default();
    for path in with_ending(dir, SEGMENT).unwrap_or_default() {
        let bytes = fs::symlink_metadata(&path).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
        pending.segments += 1;
        pending.bytes += bytes.saturating_sub(drained(&path));
    }
    pending
}

/// Opens a segment for reading. A segment of another user is refused, unless that user is root or this process runs as
/// root.
pub(super) fn open_segment(path: &Path) -> io::Result<File> {
    let file = mer_files::internal().read().open(path)?;
    let (owner, us) = (file.metadata()?.uid(), geteuid().as_raw());
    if owner == us || owner == 0 || us == 0 {
        return Ok(file);
    }
    Err(io::Error::other(format!("it belongs to user {owner}, and this is user {us}")))
}

/// Returns the files with this ending, oldest first: their names begin with the time.
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

/// Returns how many bytes of a segment have been recorded.
pub(super) fn drained(segment: &Path) -> u64 {
    let text = mer_files::read_internal_to_string(segment.with_extension(DRAINED));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Notes how many bytes of a segment have been recorded.
pub(super) fn set_drained(segment: &Path, bytes: u64) -> io::Result<()> {
    mer_files::replace(&segment.with_extension(DRAINED), bytes.to_string().as_bytes())
}
