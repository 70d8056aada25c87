//! Chooses the session for the next channel.

use super::Pool;
use crate::ssh::{
    SshError,
    session::{Request, SessionHandle},
};

/// What to do to get a channel.
enum Choice {
    Use(SessionHandle),
    Connect,
    Wait,
}

impl Pool {
    /// Takes a slot of a session. Connects if all are full, and waits if there are enough sessions.
    pub(super) async fn acquire(&self) -> Result<SessionHandle, SshError> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the check, so that no notification is missed.
            freed.as_mut().enable();
            match self.choose() {
                Choice::Use(handle) => return Ok(handle),
                Choice::Wait => freed.await,
                Choice::Connect => {
                    let connecting = Connecting(self);
                    let solo = self.lock().solo;
                    if solo {
                        self.watchdog_session().await?;
                    }
                    let handle = self.start(!solo, None).await?;
                    self.lock().handles.push(handle);
                    drop(connecting);
                }
            }
        }
    }

    fn choose(&self) -> Choice {
        let mut state = self.lock();
        state.handles.retain(|handle| handle.is_alive() && !handle.shared().slots().closing);
        for handle in &state.handles {
            let mut slots = handle.shared().slots();
            if slots.used < slots.most && !slots.closing {
                slots.used += 1;
                return Choice::Use(handle.clone());
            }
        }
        if state.handles.len() < self.max_sessions && !state.connecting {
            state.connecting = true;
            return Choice::Connect;
        }
        Choice::Wait
    }

    /// Uses the session for a watchdog only, because it has no room for another channel.
    pub(super) fn use_for_watchdog_only(&self, handle: &SessionHandle) {
        let mut state = self.lock();
        state.solo = true;
        state.handles.retain(|other| other != handle);
        if state.watch.as_ref().is_none_or(|watch| !watch.is_alive()) {
            state.watch = Some(handle.clone());
        } else if state.watch.as_ref() != Some(handle) {
            handle.send(Request::Finish);
        }
    }

    /// Returns the session that carries nothing but a watchdog.
    pub(super) async fn watchdog_session(&self) -> Result<SessionHandle, SshError> {
        let alive = |handle: &&SessionHandle| handle.is_alive() && !handle.shared().slots().closing;
        if let Some(handle) = self.lock().watch.as_ref().filter(alive) {
            return Ok(handle.clone());
        }
        let handle = self.start(true, None).await?;
        handle.shared().slots().most = 0;
        let mut state = self.lock();
        // Another task may have been faster.
        if let Some(other) = state.watch.as_ref().filter(alive) {
            handle.send(Request::Finish);
            return Ok(other.clone());
        }
        state.watch = Some(handle.clone());
        Ok(handle)
    }
}

/// Marks that one task connects. The others wait, because they may get a channel of that connection.
struct Connecting<'a>(&'a Pool);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.lock().connecting = false;
        self.0.freed.notify_waiters();
    }
}
