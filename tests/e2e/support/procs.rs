//! Processes in `/proc`.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::BOUND;

/// Polls until there is a value.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "waited {BOUND:?} for this: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the pid that a model has written to a file.
#[track_caller]
pub(crate) fn pid_in(file: &Path) -> u32 {
    wait_until(&format!("a pid in `{}`", file.display()), || {
        let text = fs::read_to_string(file).ok()?;
        // A line without its end may be half a number.
        text.strip_suffix('\n')?.parse().ok()
    })
}

/// Returns whether a process runs. A zombie does not count.
pub(crate) fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Waits until a process has ended.
#[track_caller]
pub(crate) fn wait_gone(pid: u32) {
    wait_until(&format!("the end of process {pid}"), || (!alive(pid)).then_some(()));
}

/// Returns the processes with `NAME=VALUE` in their environment, and their command lines.
pub(crate) fn bearers(marker: &str) -> Vec<(u32, String)> {
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let carries = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    let command = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, String::from_utf8_lossy(&line).replace('\0', " "))
    };
    pids.filter(|pid| alive(*pid)).filter(carries).map(command).collect()
}
