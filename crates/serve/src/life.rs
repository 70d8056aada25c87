//! When the resident ends.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// Minimum pause between two looks at whether there is something to keep.
const LOOK: Duration = Duration::from_millis(10);

/// What is going on in the resident.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Requests that are being served.
    active: Cell<usize>,
    /// Whether no further runs are taken.
    leaving: Cell<bool>,
    last_use: Cell<Option<Instant>>,
    /// One task waits for it.
    changed: Notify,
}

/// A request that is being served, until it is dropped.
#[derive(Debug)]
pub(crate) struct ActiveRequest<'a>(&'a Life);

impl Life {
    /// Counts a request until the guard is dropped.
    pub(crate) fn begin(&self) -> ActiveRequest<'_> {
        self.active.set(self.active.get() + 1);
        ActiveRequest(self)
    }

    /// Whether no further runs are taken.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Takes no further runs, and ends once it is idle.
    pub(crate) fn leave(&self) {
        self.leaving.set(true);
        self.changed.notify_one();
    }

    /// Waits until it is to end: it was asked to leave and serves nothing, or has had nothing to keep for `idle_exit`.
    /// `keeps` is whether processes are kept.
    pub(crate) async fn over(&self, idle_exit: Option<Duration>, keeps: impl Fn() -> bool) {
        self.last_use.set(Some(Instant::now()));
        let mut was_used = true;
        loop {
            let is_idle = self.active.get() == 0;
            if is_idle && self.is_leaving() {
                return;
            }
            // A resident that stays for good is not woken by a clock.
            let Some(idle_exit) = idle_exit else {
                self.changed.notified().await;
                continue;
            };
            let is_used = !is_idle || keeps();
            // The use ended between two looks.
            if is_used || std::mem::replace(&mut was_used, false) {
                self.last_use.set(Some(Instant::now()));
            }
            was_used = is_used;
            let idle = self.last_use.get().map_or(idle_exit, |last| last.elapsed());
            if !is_used && idle >= idle_exit {
                return;
            }
            // Seldom, because each look wakes the process.
            let pause = if is_used { (idle_exit / 4).max(LOOK) } else { idle_exit.saturating_sub(idle) };
            let _ = tokio::time::timeout(pause, self.changed.notified()).await;
        }
    }
}

impl Drop for ActiveRequest<'_> {
    fn drop(&mut self) {
        let Self(life) = self;
        life.active.set(life.active.get().saturating_sub(1));
        life.last_use.set(Some(Instant::now()));
        if life.is_leaving() {
            life.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_when_it_is_asked_to_and_idle() {
        let life = Life::default();
        let over = life.over(None, || true);
        tokio::pin!(over);
        let request = life.begin();
        life.leave();
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut over).await.is_err());
        drop(request);
        assert!(tokio::time::timeout(Duration::from_secs(10), &mut over).await.is_ok());
    }

    #[tokio::test]
    async fn it_ends_when_nothing_is_kept_for_its_time() {
        let life = Life::default();
        let keeps = Cell::new(true);
        let over = life.over(Some(Duration::from_millis(20)), || keeps.get());
        tokio::pin!(over);
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut over).await.is_err());
        let request = life.begin();
        keeps.set(false);
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut over).await.is_err());
        drop(request);
        assert!(tokio::time::timeout(Duration::from_secs(10), &mut over).await.is_ok());
    }

    #[tokio::test]
    async fn one_that_keeps_something_looks_seldom() {
        let life = Life::default();
        let looks = Cell::new(0);
        let over = life.over(Some(Duration::from_secs(60)), || {
            looks.set(looks.get() + 1);
            true
        });
        assert!(tokio::time::timeout(Duration::from_millis(1_200), over).await.is_err());
        assert_eq!(looks.get(), 1);
    }
}
