//! Files for lines and accesses that cannot be recorded: they are not lost, and do not keep the rest from the database.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use mer_core::Access;
use serde_json::{Value, json};

use super::{
    error::JournalError,
    files::{CORRUPT_LINES, REFUSED},
};
use crate::DalError;

/// Copies a line that cannot be read to `corrupt.jsonl`.
pub(super) fn corrupt(segment: &Path, offset: u64, line: &[u8], reason: &str) -> Result<(), JournalError> {
    let text = String::from_utf8_lossy(line);
    let kept = append_line(segment, CORRUPT_LINES, json!({ "offset": offset, "reason": reason, "line": text }))?;
    tracing::warn!(
        segment = %name(segment), offset, reason, kept = %kept.display(),
        "a line of the access journal cannot be read, and is kept aside"
    );
    Ok(())
}

/// Copies an access that the database refuses to `refused.jsonl`.
pub(super) fn refused(segment: &Path, access: &Access, error: &DalError) -> Result<(), JournalError> {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let reason = source.unwrap_or_else(|| error.to_string());
    let whole = serde_json::to_value(access).map_err(|source| JournalError::Encode { source })?;
    let kept = append_line(segment, REFUSED, json!({ "reason": reason, "access": whole }))?;
    tracing::warn!(
        request = %access.request_uid, attempt = access.attempt, reason, kept = %kept.display(),
        "the database does not take an access as it is; the whole of it is kept aside"
    );
    Ok(())
}

/// Appends a line to a file beside the segments.
fn append_line(segment: &Path, file: &str, mut entry: Value) -> Result<PathBuf, JournalError> {
    let path = segment.with_file_name(file);
    entry["segment"] = name(segment).into();
    let line = format!("{entry}\n");
    let opened = mer_files::internal().append().create(0o600).open(&path);
    let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(|source| JournalError::Write { path: path.clone(), source })?;
    Ok(path)
}

fn name(segment: &Path) -> String {
    segment.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
