//! The memory of processes on this machine.

use std::collections::BTreeMap;

use crate::watcher::{ScannedProcess, scan};

/// Returns the resident memory of process groups on this machine, in bytes. A group without a living process is left out.
/// Reads `/proc` once for all of them.
#[must_use]
pub fn group_memory(groups: &[u32]) -> BTreeMap<u32, u64> {
    let mut memory = BTreeMap::new();
    if groups.is_empty() {
        return memory;
    }
    let wanted = |group: i32| u32::try_from(group).is_ok_and(|group| groups.contains(&group));
    // A machine without `/proc` tells nothing.
    for ScannedProcess { pid, group, .. } in scan(None, wanted).unwrap_or_default() {
        if let Ok(group) = u32::try_from(group) {
            *memory.entry(group).or_default() += resident_bytes(pid).unwrap_or_default();
        }
    }
    memory
}

/// Returns the resident memory of one process, in bytes. A process that is being started or ended has none.
fn resident_bytes(pid: i32) -> Option<u64> {
    let status = mer_files::read_external(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_a_group_that_does_not_exist_has_none() {
        let me = i32::try_from(std::process::id()).expect("a pid");
        assert!(resident_bytes(me).expect("VmRSS") > 100_000);
        assert_eq!(group_memory(&[u32::MAX]), BTreeMap::new());
    }
}
