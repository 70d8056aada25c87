//! Kills processes of a machine at random, until it is told to end.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::machine::{Kind, Machine, Process, signal};
use crate::support::moment;

/// The longest pause between two kills.
const PAUSE: Duration = Duration::from_millis(700);
/// A `mer` and its watcher are not both killed within this time: nothing would be left that ends its models. The watcher is
/// replaced a second after its start at the latest, by a machine that is not busy.
const APART: Duration = Duration::from_secs(6);

/// A process that was killed, and when.
pub(super) type Kill = (jiff::Timestamp, Process);

/// Kills on one machine. Returns what was killed.
pub(super) fn kill_at_random(machine: &Machine, is_over: &AtomicBool) -> Vec<Kill> {
    let mut kills = Vec::new();
    let mut unwatched: HashMap<u32, Instant> = HashMap::new();
    // On a busy machine a process is still seen for a while after it was killed.
    let mut dying: HashSet<u32> = HashSet::new();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(PAUSE / 7 + moment(PAUSE));
        unwatched.retain(|_, since| since.elapsed() < APART);
        let mut found = machine.processes();
        found.retain(|process| process.mer.is_none_or(|mer| !dying.contains(&mer)));
        // The kind first: there are more models than residents.
        let mut kinds: Vec<Kind> = found.iter().map(|process| process.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let Some(kind) = pick(&kinds) else { continue };
        // A watcher that is killed protects its `mer` for a while, and callers are there in any number.
        if matches!(kind, Kind::Caller | Kind::Watcher) && pick(&[true, true, false]) == Some(&true) {
            continue;
        }
        let of_kind: Vec<Process> = found.into_iter().filter(|process| process.kind == *kind).collect();
        let Some(process) = pick(&of_kind) else { continue };
        if matches!(process.kind, Kind::Caller | Kind::Resident) && unwatched.contains_key(&process.pid) {
            continue;
        }
        match (process.kind, process.mer) {
            (Kind::Watcher, Some(mer)) => drop(unwatched.insert(mer, Instant::now())),
            (_, Some(mer)) => drop(dying.insert(mer)),
            (_, None) => {}
        }
        signal(process.pid, Signal::KILL);
        kills.push((jiff::Timestamp::now(), *process));
    }
    kills
}

fn pick<T>(of: &[T]) -> Option<&T> {
    let nanos = moment(Duration::from_secs(1)).subsec_nanos();
    of.get(usize::try_from(nanos).unwrap_or_default() % of.len().max(1))
}
