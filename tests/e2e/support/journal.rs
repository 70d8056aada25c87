//! Reading and writing journals of accesses.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// Returns a line of a segment.
pub(crate) fn line(value: &Value) -> String {
    let text = value.to_string();
    format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()))
}

/// Returns the segments in the folder of a journal, sorted.
#[track_caller]
pub(crate) fn segments(journal: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(journal).expect("a journal").flatten().map(|entry| entry.path());
    let mut segments: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect();
    segments.sort();
    segments
}

/// Writes a segment with one access, as an older `mer` on another machine did.
#[track_caller]
pub(crate) fn leave_segment(journal: &Path, database_uid: &str, access: &Value) {
    let head = json!({ "format": 1, "databaseUid": database_uid, "host": "gone", "pid": 1, "merVersion": "0.1.0" });
    fs::create_dir_all(journal).expect("folder");
    let segment = journal.join("00000000000000000000000000000001.seg");
    fs::write(segment, line(&head) + &line(access)).expect("segment");
}
