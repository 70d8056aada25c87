//! When to look again, when to ask whether the other side is there, and when to stop.

use std::time::{Duration, Instant};

use super::SessionThread;
use crate::ssh::session::{channel::Channel, poll, watchdog};

/// Replies are looked for so soon, and at least so often, though the socket is silent.
const SOON: Duration = Duration::from_millis(2);
const SELDOM: Duration = Duration::from_secs(1);

impl SessionThread {
    /// When to ask again for replies that somebody else's call may have taken in: soon, and then ever more seldom.
    pub(super) fn replies_at(&self, now: Instant) -> Option<Instant> {
        let opening = self.openings.front().and_then(|opening| match opening.not_before {
            Some(at) if at > now => None,
            _ => opening.begun,
        });
        let paused = self.openings.front().and_then(|opening| opening.not_before).filter(|at| *at > now);
        let since = self.channels.iter().filter_map(Channel::waits_since).chain(opening).max();
        let again = since.map(|at| now + (now.duration_since(at) / 4).clamp(SOON, SELDOM));
        again.into_iter().chain(paused).min()
    }

    /// Asks whether the other side is still there, when it has been silent; and gives up when it stays so.
    pub(super) fn keep_alive(&mut self, now: Instant) -> Result<(), String> {
        let silent_since = self.last_heard.max(self.last_asked);
        if now.duration_since(silent_since) < self.keepalive {
            return Ok(());
        }
        if self.unanswered >= self.keepalive_count {
            return Err(format!("nothing was heard for {} s", now.duration_since(self.last_heard).as_secs()));
        }
        self.last_asked = now;
        self.unanswered += 1;
        if self.watchdog.phase == watchdog::Phase::Ready {
            self.watchdog.beat();
        } else if self.unfinished.is_none() && poll::is_writable(&self.socket) {
            // Built on libssh2's stack, as an EOF is: see there.
            self.session.keepalive_send().map_err(|error| error.message().to_owned())?;
        }
        Ok(())
    }

    /// Idle long enough. Whoever takes a slot a moment later sees that it is closing.
    pub(super) fn is_done(&mut self, now: Instant) -> bool {
        let busy = self.channels.iter().any(Channel::is_run) || !self.openings.is_empty() || self.watchdog.is_needed();
        if busy {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.duration_since(since) < self.idle_after {
            return false;
        }
        let mut slots = self.shared.slots();
        slots.closing = slots.used == 0;
        slots.closing
    }

    pub(super) fn alive_at(&self) -> Instant {
        self.last_heard.max(self.last_asked) + self.keepalive
    }

    pub(super) fn wake(&self, now: Instant) -> Instant {
        let idle = self.idle_since.and_then(|since| since.checked_add(self.idle_after)).map(|at| {
            // Somebody has a slot and has not asked for its channel yet.
            at.max(now + Duration::from_millis(10))
        });
        let alive = self.alive_at();
        let channels = self.channels.iter().filter_map(Channel::wake).map(|at| at.max(now + Duration::from_millis(10)));
        let more = (self.again || self.has_work()).then_some(now);
        let replies = self.replies_at(now);
        channels
            .chain(idle)
            .chain(self.watchdog.wake())
            .chain(more)
            .chain(replies)
            .chain([alive])
            .min()
            .unwrap_or(alive)
    }
}
