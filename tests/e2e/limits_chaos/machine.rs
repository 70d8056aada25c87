//! A machine of the test: a home and a folder of locks and sockets of its own, and the same database as the others.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::support::{TestEnv, run, wait_until};

/// The variable by which the processes of a machine are found. Models inherit it.
pub(super) const MARK: &str = "CHAOS_MACHINE";

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Caller,
    Resident,
    Watcher,
    /// A process of a model, its first one or another of its group.
    Model,
}

/// A process of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) kind: Kind,
    /// The `mer` that it belongs to: its own, or that of a watcher.
    pub(super) mer: Option<u32>,
}

pub(super) struct Machine {
    pub(super) env: TestEnv,
    url: String,
}

impl Machine {
    pub(super) fn new(url: &str) -> Self {
        let env = TestEnv::new();
        let runtime = env.path("run");
        fs::create_dir(&runtime).expect("a folder");
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).expect("a mode");
        Self { env, url: url.to_owned() }
    }

    /// Returns `mer` with these arguments.
    pub(super) fn with(&self, args: &[&str]) -> Command {
        let mut command = self.env.with_args(args);
        command.env("DB_CONNECTION_URL", &self.url).env("MER_RUNTIME_DIR", self.env.path("run"));
        command.env(MARK, self.mark());
        command
    }

    fn mark(&self) -> String {
        self.env.path("").display().to_string()
    }

    /// Returns the processes of this machine that run now. A watcher without its `mer` is left out: it is all that ends the
    /// models of a killed `mer`.
    pub(super) fn processes(&self) -> Vec<Process> {
        let marked = format!("{MARK}={}", self.mark());
        let mut found = Vec::new();
        let mut watchers = Vec::new();
        for (pid, words) in pids().filter_map(|pid| Some((pid, words(pid)?))) {
            let verb = words.get(1).map(String::as_str).unwrap_or_default();
            if verb == "internal-watcher" {
                watchers.extend(parent(pid).map(|mer| Process { pid, kind: Kind::Watcher, mer: Some(mer) }));
                continue;
            }
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if !environment.split(|byte| *byte == 0).any(|variable| variable == marked.as_bytes()) {
                continue;
            }
            let is_mer = words.first().is_some_and(|program| program.ends_with("mer"));
            let (kind, mer) = match verb {
                "run" if is_mer => (Kind::Caller, Some(pid)),
                "serve" if is_mer => (Kind::Resident, Some(pid)),
                _ if is_mer => continue,
                _ => (Kind::Model, None),
            };
            found.push(Process { pid, kind, mer });
        }
        watchers.retain(|watcher| found.iter().any(|known| known.mer == watcher.mer));
        found.extend(watchers);
        found
    }

    /// Ends the resident, and waits until nothing of this machine is left.
    pub(super) fn stop(&self) {
        for resident in self.processes().into_iter().filter(|process| process.kind == Kind::Resident) {
            signal(resident.pid, rustix::process::Signal::TERM);
        }
        wait_until("the end of a machine", || self.processes().is_empty().then_some(()));
    }

    /// Returns the rows of all requests.
    pub(super) fn rows(&self) -> Vec<serde_json::Value> {
        run(self.with(&["log", "list", "--json", "--limit", "100000"])).objects()
    }
}

/// Sends a signal; the process may be gone.
pub(super) fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = pid.try_into().ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Returns the command line of a process; none for one that has ended.
fn words(pid: u32) -> Option<Vec<String>> {
    let line = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).ok()?;
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    (!line.is_empty()).then_some(words)
}

/// Returns the parent of a process.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
