//! Remembers servers that could not be reached. Requests try them last, until their pause is over.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use mer_core::ConnParams;

use crate::{jitter::jittered, placement::Placement};

/// Maximum pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// Servers whose last connection failed, by name.
#[derive(Debug, Default)]
pub(crate) struct ServerHealth(Mutex<HashMap<String, Failed>>);

#[derive(Debug)]
struct Failed {
    /// A server whose parameters were changed counts as another one.
    conn: ConnParams,
    failures: u32,
    until: Instant,
}

impl ServerHealth {
    /// Notes that a server could not be reached. Of requests that fail at the same time, the first counts.
    pub(crate) fn failed(&self, placement: &Placement, now: Instant) {
        let mut servers = self.lock();
        let before = servers.get(&placement.server).filter(|failed| failed.conn == placement.conn);
        if before.is_some_and(|failed| now < failed.until) {
            return;
        }
        let failures = before.map_or(0, |failed| failed.failures) + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(MAX_PAUSE);
        let failed = Failed { conn: placement.conn.clone(), failures, until: now + jittered(pause) };
        servers.insert(placement.server.clone(), failed);
    }

    /// Notes that a server was reached.
    pub(crate) fn reached(&self, placement: &Placement) {
        self.lock().remove(&placement.server);
    }

    /// Whether the pause of a server is not over, so that the others are tried before it.
    pub(crate) fn is_set_aside(&self, placement: &Placement, now: Instant) -> bool {
        let servers = self.lock();
        let failed = servers.get(&placement.server).filter(|failed| failed.conn == placement.conn);
        failed.is_some_and(|failed| now < failed.until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failed>> {
        // Every change is a single call, so a panic leaves the map consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mer_core::{ConnType, ModelParams};

    use super::*;

    fn placement(server: &str) -> Placement {
        Placement {
            server: server.to_owned(),
            conn_type: ConnType::Ssh,
            conn: ConnParams::default(),
            params: ModelParams::default(),
        }
    }

    #[test]
    fn a_server_that_failed_is_set_aside_until_its_pause_is_over_and_longer_each_time() {
        let (health, start) = (ServerHealth::default(), Instant::now());
        let after = |seconds| health.is_set_aside(&placement("a"), start + Duration::from_secs(seconds));
        assert!(!after(0));
        health.failed(&placement("a"), start);
        assert!(after(4) && !after(10), "between the half of the pause and the whole");
        health.failed(&placement("a"), start);
        assert!(!after(10), "of failures at the same time, the first counts");
        health.failed(&placement("a"), start + Duration::from_secs(10));
        assert!(after(19) && !after(30));
        for round in 1..40 {
            health.failed(&placement("a"), start + Duration::from_secs(round * 300));
        }
        assert!(after(39 * 300 + 149) && !after(40 * 300));
        assert!(!health.is_set_aside(&placement("b"), start));
        health.reached(&placement("a"));
        assert!(!after(0));
    }

    #[test]
    fn a_changed_server_counts_as_another() {
        let (health, start) = (ServerHealth::default(), Instant::now());
        health.failed(&placement("c"), start);
        let changed = Placement { conn: ConnParams { port: Some(2222), ..ConnParams::default() }, ..placement("c") };
        assert!(health.is_set_aside(&placement("c"), start) && !health.is_set_aside(&changed, start));
    }
}
