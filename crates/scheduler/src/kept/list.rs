//! Lists the processes of the pool.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp, Unit};
use mer_core::{KeptProcess, ProcessState};
use mer_meal::group_memory;

use super::{
    entry::{Entry, Retirement, Stage},
    group::Group,
    lease::ProcessId,
    pool::{GroupName, Pool},
};
use crate::record::{millis, now};

/// Returns the id of a process, as it is listed. No name of a model has a `%` in it.
pub(crate) fn id_of(id: ProcessId) -> String {
    format!("%{id}")
}

impl Pool {
    /// Returns the processes, and the models that are not started again yet, sorted by model, server and id.
    pub(crate) fn list(&self) -> Vec<KeptProcess> {
        // Those that died meanwhile are not listed.
        self.look();
        let (mut listed, groups) = {
            let state = self.lock();
            let mut listed = Vec::new();
            for (name, group) in &state.groups {
                listed.extend(
                    group.entries.iter().map(|(id, entry)| (entry.local_group(), process(name, group, *id, entry))),
                );
                listed.extend(failing(name, group).map(|failed| (None, failed)));
            }
            let groups: Vec<u32> = listed.iter().filter_map(|(group, _)| *group).collect();
            (listed, groups)
        };
        let memory = group_memory(&groups);
        for (group, process) in &mut listed {
            process.memory_bytes = group.and_then(|group| memory.get(&group).copied());
        }
        listed.into_iter().map(|(_, process)| process).collect()
    }

    /// Whether there are processes, of this model or of any.
    pub(crate) fn keeps(&self, model: Option<&str>) -> bool {
        let state = self.lock();
        let mut groups = state.groups.iter().filter(|((name, _), _)| model.is_none_or(|model| model == name));
        groups.any(|(_, group)| !group.entries.is_empty())
    }

    /// Returns when the first idle process is ended unless a request comes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.lock().groups.values().filter_map(Group::next_deadline).min()
    }
}

fn process((model, server): &GroupName, group: &Group, id: ProcessId, entry: &Entry) -> KeptProcess {
    let state = match (&entry.stage, entry.retirement) {
        (Stage::Reserved | Stage::Starting(_), _) => ProcessState::Starting,
        (Stage::Idle(..), _) => ProcessState::Ready,
        (Stage::Busy(_), Retirement::None) => ProcessState::Busy,
        (Stage::Busy(_), _) => ProcessState::Draining,
        (Stage::Stopping(_), _) => ProcessState::Stopping,
    };
    KeptProcess {
        model: model.clone(),
        id: id_of(id),
        server: server.clone(),
        weights_version: entry.weights_version,
        pid: entry.pid,
        state,
        in_flight: u32::from(matches!(entry.stage, Stage::Busy(_))),
        queued: count(group.queue.len()),
        served: entry.served,
        memory_bytes: None,
        age_ms: millis(entry.age()),
        until: entry.expires_at().and_then(timestamp),
        pinned: entry.life.pinned,
        last_error: group.back_off.last_error(&entry.key),
    }
}

/// The models that are not started again yet, because they failed.
fn failing<'a>((model, server): &'a GroupName, group: &'a Group) -> impl Iterator<Item = KeptProcess> + 'a {
    group.back_off.all(Instant::now()).map(|failing| KeptProcess {
        model: model.clone(),
        id: "-".to_owned(),
        server: server.clone(),
        weights_version: None,
        pid: None,
        state: ProcessState::Failed,
        in_flight: 0,
        queued: count(group.queue.len()),
        served: 0,
        memory_bytes: None,
        age_ms: 0.0,
        until: timestamp(failing.until()),
        pinned: false,
        last_error: Some(failing.error().to_owned()),
    })
}

/// Returns the time of a moment to come; none beyond the range of timestamps.
fn timestamp(at: Instant) -> Option<Timestamp> {
    let left = SignedDuration::try_from(at.saturating_duration_since(Instant::now())).ok()?;
    now().checked_add(left).ok()?.round(Unit::Microsecond).ok()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
