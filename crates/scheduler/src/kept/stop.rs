//! Stops processes of the pool.

use mer_core::{KeptProcess, Model, Server};

use super::{
    entry::{Entry, Retirement, Stage},
    group::{Effects, stop_idle},
    lease::ProcessId,
    list::id_of,
    pool::Pool,
    selection::Selection,
};
use crate::replica::replicas;

impl Pool {
    /// Ends the selected processes: those that are idle or starting now, those that serve a request after it, or now if `now`.
    /// Failures of their models are forgotten. Returns them as they were before, once they are gone.
    pub(crate) async fn stop(&self, selection: &Selection, now: bool) -> Vec<KeptProcess> {
        let stopped: Vec<KeptProcess> = self.list().into_iter().filter(|process| selection.matches(process)).collect();
        let ids = self.begin_stop(selection, now);
        self.wait_gone(&ids).await;
        stopped
    }

    /// Ends all processes but those that serve a request, and waits until they are gone. Those end after their request.
    pub(crate) async fn stop_all(&self) {
        let mut ids = self.begin_stop(&Selection::All, false);
        {
            let state = self.lock();
            let is_busy = |id: &ProcessId| {
                let entries = state.groups.values().filter_map(|group| group.entries.get(id));
                entries.into_iter().any(|entry| matches!(entry.stage, Stage::Busy(_) | Stage::Reserved))
            };
            ids.retain(|id| !is_busy(id));
        }
        self.wait_gone(&ids).await;
    }

    /// Retires the processes whose model or server was changed or removed: idle ones end now, others after their request.
    pub(crate) fn retire_unregistered(&self, models: &[Model], servers: &[Server]) {
        self.change(|state, effects| {
            for ((model, server), group) in &mut state.groups {
                let model = models.iter().find(|known| known.name == *model);
                let registered = model.and_then(|model| replicas(model, servers, Some(server)).ok()?.pop());
                let is_current = |key: &super::key::ProcessKey| {
                    registered.as_ref().is_some_and(|placement| key.is_registered_as(placement))
                };
                group.retire(|entry| !is_current(&entry.key), effects);
                group.back_off.retain(is_current);
            }
        });
    }

    fn begin_stop(&self, selection: &Selection, now: bool) -> Vec<ProcessId> {
        self.change(|state, effects| {
            let mut ids = Vec::new();
            for ((model, _), group) in &mut state.groups {
                if matches!(selection, Selection::All) || matches!(selection, Selection::Model(name) if name == model) {
                    group.back_off.clear();
                }
                let selected = group.entries.iter_mut().filter(|(id, _)| selection.is_of(model, &id_of(**id)));
                for (id, entry) in selected {
                    stop(*id, entry, now, effects);
                    ids.push(*id);
                }
            }
            ids
        })
    }
}

fn stop(id: ProcessId, entry: &mut Entry, now: bool, effects: &mut Effects) {
    stop_idle(id, entry, effects);
    match &entry.stage {
        Stage::Starting(cancel) | Stage::Stopping(cancel) if now => cancel.cancel_now(),
        Stage::Starting(cancel) => cancel.cancel(),
        Stage::Busy(request) if now => request.cancel_now(),
        _ => {}
    }
    let stopped = if now { Retirement::StoppedNow } else { Retirement::Stopped };
    if entry.retirement != Retirement::StoppedNow {
        entry.retirement = stopped;
    }
}
