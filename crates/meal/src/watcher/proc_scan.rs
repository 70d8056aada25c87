//! Searches `/proc` for processes that are to be ended.

use std::{fs, io};

use super::Mark;

/// A process that is not a zombie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScannedProcess {
    pub(crate) pid: i32,
    pub(crate) group: i32,
    /// Whether it carries the mark.
    pub(crate) is_marked: bool,
}

/// Returns all living processes whose group is `wanted`, or that carry the mark in their environment.
pub(crate) fn scan(mark: Option<&Mark>, wanted: impl Fn(i32) -> bool) -> io::Result<Vec<ScannedProcess>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        found.extend(scan_one(pid, mark, &wanted));
    }
    Ok(found)
}

/// Checks one process. A process that cannot be read has ended, or belongs to another user.
pub(crate) fn scan_one(pid: i32, mark: Option<&Mark>, wanted: impl Fn(i32) -> bool) -> Option<ScannedProcess> {
    let me = i32::try_from(std::process::id()).unwrap_or_default();
    let group = living_group(pid).filter(|_| pid != me)?;
    let is_marked = mark
        .is_some_and(|mark| mark.is_on(&mer_files::read_external(format!("/proc/{pid}/environ")).unwrap_or_default()));
    (is_marked || wanted(group)).then_some(ScannedProcess { pid, group, is_marked })
}

/// The group of a process, unless it is a zombie.
fn living_group(pid: i32) -> Option<i32> {
    stat(pid).filter(|(state, _)| !matches!(state, b'Z' | b'X')).map(|(_, group)| group)
}

/// The state letter of a process, and its group; `None` if the process does not exist. The second field, the name,
/// may hold any bytes, spaces and brackets included.
pub(crate) fn stat(pid: i32) -> Option<(u8, i32)> {
    let stat = mer_files::read_external(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.iter().rposition(|byte| *byte == b')')? + 1..];
    let mut fields = std::str::from_utf8(after_name).ok()?.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let group = fields.nth(1)?.parse().ok()?;
    Some((state, group))
}
