//! Kills processes of the model at random.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::moment;

/// Kills one process of the model after the other, until it is told to end. Each model process makes a file that is named after
/// its pid in `folder`, which it knows as `PIDS`. Returns the number of killed processes.
pub(super) fn kill_models(folder: &Path, pause: Duration, is_over: &AtomicBool) -> usize {
    let mut killed = 0;
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let wait = pause / 2 + moment(pause);
        while begun.elapsed() < wait && !is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        let alive = models(folder);
        let nanos = moment(Duration::from_secs(1)).subsec_nanos();
        let Some(pid) = alive.get(usize::try_from(nanos).unwrap_or_default() % alive.len().max(1)) else { continue };
        killed += usize::from(kill_process(*pid, Signal::KILL).is_ok());
    }
    killed
}

/// Returns the processes of the model that run.
pub(super) fn models(folder: &Path) -> Vec<Pid> {
    let mark = format!("PIDS={}", folder.display());
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let pids = files.filter_map(|file| file.file_name().to_str()?.parse::<i32>().ok());
    // A pid may be that of another process by now.
    let is_model = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    pids.filter(is_model).filter_map(Pid::from_raw).collect()
}
