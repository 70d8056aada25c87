//! Looking through `/proc` for processes that are to be ended.

use std::{fs, io};

/// A process that is not a zombie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pid: i32,
    pub(super) group: i32,
    /// Whether it carries the nonce.
    pub(super) bearer: bool,
}

/// All living processes of which `wanted(group)` holds or that carry `marker` (`NAME=VALUE`) in their environment.
pub(super) fn scan(marker: Option<&str>, wanted: impl Fn(i32) -> bool) -> io::Result<Vec<Found>> {
    let me = i32::try_from(std::process::id()).unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // Processes come and go while we look; what cannot be read is gone, or not ours.
        let Some(group) = living_group(pid).filter(|_| pid != me) else { continue };
        let bearer = marker.is_some_and(|marker| carries(pid, marker));
        if bearer || wanted(group) {
            found.push(Found { pid, group, bearer });
        }
    }
    Ok(found)
}

/// The group of a process, unless it is a zombie. The name, the second field, may hold spaces and brackets.
fn living_group(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.iter().rposition(|byte| *byte == b')')? + 1..];
    let mut fields = std::str::from_utf8(after_name).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(group)
}

fn carries(pid: i32, marker: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
}
