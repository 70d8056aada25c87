//! Waits: each is bounded, ends by a signal, and is shown at a terminal.

mod files;
mod inputs;
mod progress;

use std::{fs, path::Path, time::Duration};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};

use crate::support::{Live, wait_until};

/// Makes a named pipe.
fn pipe(path: &Path) {
    // The previous case may have left a file here.
    let _ = fs::remove_file(path);
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a named pipe");
}

/// Waits until a `mer` handles signals and uses no processor time, which means that it waits.
#[track_caller]
fn wait_idle(live: &Live) {
    let signals = (1 << (Signal::INT.as_raw() - 1)) | (1 << (Signal::TERM.as_raw() - 1));
    let mut before = None;
    wait_until("a mer that waits", || {
        let status = fs::read_to_string(format!("/proc/{}/status", live.pid())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap_or_default().trim(), 16).unwrap_or_default();
        // A look takes 5 ms; 60 of them without a tick of processor time are no accident.
        let stat = fs::read_to_string(format!("/proc/{}/stat", live.pid())).unwrap_or_default();
        let ticks: Vec<String> = stat.rsplit(')').next()?.split(' ').skip(12).take(2).map(str::to_owned).collect();
        let (count, same) = before.take().unwrap_or((0, Vec::new()));
        let count = if caught & signals == signals && same == ticks { count + 1 } else { 0 };
        before = Some((count, ticks));
        (count >= 60).then_some(())
    });
}

/// Ends a waiting `mer` by each signal in turn, at once each time; `start` starts it again.
#[track_caller]
fn ends_by_signals(what: &str, start: impl Fn() -> Live) {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let live = start();
        wait_idle(&live);
        let begun = std::time::Instant::now();
        live.signal(signal);
        let ran = live.finish();
        assert_eq!(ran.code, Some(code), "{what}: {ran:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", begun.elapsed());
    }
}
