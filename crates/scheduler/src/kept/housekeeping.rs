//! Ends processes whose keepalive is over, and notices those that died while they were idle.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use tokio::{runtime::Handle, time::timeout_at};

use super::{entry::Stage, group::stop_idle, pool::Pool};

impl Pool {
    /// Looks after the processes from now on, as long as there are any that need it.
    pub(super) fn look_after(&self) {
        let mut state = self.lock();
        let Some(next) = state.next_look() else { return };
        if let Some(planned) = state.planned_look {
            if next < planned {
                self.woken.notify_one();
            }
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        state.planned_look = Some(next);
        runtime.spawn(keep_looking(self.weak()));
    }

    /// Ends what is to be ended now. Returns when to look again; none if no process needs it.
    pub(super) fn look(&self) -> Option<Instant> {
        let now = Instant::now();
        self.change(|state, effects| {
            for group in state.groups.values_mut() {
                for (id, entry) in &mut group.entries {
                    let is_dead = match &mut entry.stage {
                        Stage::Idle(process, _) => !process.process.is_alive(),
                        _ => false,
                    };
                    if is_dead || entry.expires_at().is_some_and(|at| at <= now) {
                        stop_idle(*id, entry, effects);
                    }
                }
            }
            state.planned_look = state.next_look();
            state.planned_look
        })
    }
}

async fn keep_looking(pool: Weak<Pool>) {
    while let Some(strong) = pool.upgrade() {
        let Some(next) = strong.look() else { return };
        let woken = Arc::clone(&strong.woken);
        drop(strong);
        let _ = timeout_at(next.into(), woken.notified()).await;
    }
}
