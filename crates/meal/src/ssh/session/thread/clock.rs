//! The times of the loop: the next wake-up, keepalives, and the end of an idle session.

use std::time::{Duration, Instant};

use super::SessionThread;
use crate::ssh::session::{channel::Channel, poll, watchdog};

/// Minimum and maximum time between two checks for replies, while the socket is silent.
const SOON: Duration = Duration::from_millis(2);
const SELDOM: Duration = Duration::from_secs(1);

impl SessionThread {
    /// When to check again for replies that another channel's call may have taken in. The checks become less
    /// frequent.
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

    /// Sends a keepalive if the server was silent. Fails if it does not answer several times.
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
            // Built on libssh2's stack, as the end of the input: see [`crate::ssh::session::channel`].
            self.session.keepalive_send().map_err(|error| error.message().to_owned())?;
        }
        Ok(())
    }

    /// Whether the session was idle for long enough. Its slots are closed then, so that no run takes one.
    pub(super) fn is_done(&mut self, now: Instant) -> bool {
        let busy = self.channels.iter().any(|channel| channel.is_run() && !channel.is_spare())
            || self.openings.iter().any(|opening| !opening.owner.is_spare())
            || self.watchdog.is_needed();
        if busy {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.duration_since(since) < self.idle_after {
            return false;
        }
        let mut slots = self.shared.slots();
        let spares = self.channels.iter().filter(|channel| channel.is_spare()).count()
            + self.openings.iter().filter(|opening| opening.owner.is_spare()).count();
        slots.closing = slots.used <= spares;
        slots.closing
    }

    pub(super) fn alive_at(&self) -> Instant {
        self.last_heard.max(self.last_asked) + self.keepalive
    }

    pub(super) fn wake(&self, now: Instant) -> Instant {
        let idle = self.idle_since.and_then(|since| since.checked_add(self.idle_after)).map(|at| {
            // A run has a slot and has not requested its channel yet.
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
