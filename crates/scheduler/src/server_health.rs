//! Remembers servers that could not be reached. Requests try them last, until their pause is over.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use mer_core::ConnParams;

use crate::placement::Placement;

/// Pause after the first failure; each further one doubles it.
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
    /// Notes that a server could not be reached.
    pub(crate) fn failed(&self, placement: &Placement, now: Instant) {
        let mut servers = self.lock();
        let before = servers.get(&placement.server).filter(|failed| failed.conn == placement.conn);
        let failures = before.map_or(0, |failed| failed.failures) + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(MAX_PAUSE);
        let failed = Failed { conn: placement.conn.clone(), failures, until: now + pause };
        servers.insert(placement.server.clone(), failed);
    }

    /// Notes that a server was reached.
    pub(crate) fn reached(&self, placement: &Placement) {
        self.lock().remove(&placement.server);
    }

    /// Moves servers whose pause is not over behind the others; otherwise the order stays.
    pub(crate) fn move_unreachable_last(&self, placements: &mut [Placement], now: Instant) {
        let servers = self.lock();
        if !servers.is_empty() {
            placements.sort_by_key(|placement| {
                let failed = servers.get(&placement.server).filter(|failed| failed.conn == placement.conn);
                failed.is_some_and(|failed| now < failed.until)
            });
        }
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

    fn order(health: &ServerHealth, now: Instant) -> Vec<String> {
        let mut placements = ["a", "b", "c"].map(placement);
        health.move_unreachable_last(&mut placements, now);
        placements.map(|placement| placement.server).into()
    }

    #[test]
    fn a_server_that_failed_comes_last_until_its_pause_is_over_and_longer_each_time() {
        let (health, start) = (ServerHealth::default(), Instant::now());
        assert_eq!(order(&health, start), ["a", "b", "c"]);
        health.failed(&placement("a"), start);
        assert_eq!(order(&health, start + Duration::from_secs(9)), ["b", "c", "a"]);
        assert_eq!(order(&health, start + Duration::from_secs(10)), ["a", "b", "c"]);
        health.failed(&placement("a"), start);
        assert_eq!(order(&health, start + Duration::from_secs(19)), ["b", "c", "a"]);
        for _ in 0..40 {
            health.failed(&placement("a"), start);
        }
        assert_eq!(order(&health, start + Duration::from_secs(299)), ["b", "c", "a"]);
        assert_eq!(order(&health, start + Duration::from_secs(300)), ["a", "b", "c"]);
        health.reached(&placement("a"));
        assert_eq!(order(&health, start), ["a", "b", "c"]);
    }

    #[test]
    fn if_all_failed_the_order_stays_and_a_changed_server_counts_as_another() {
        let (health, start) = (ServerHealth::default(), Instant::now());
        for server in ["a", "b", "c"] {
            health.failed(&placement(server), start);
        }
        assert_eq!(order(&health, start), ["a", "b", "c"]);
        let changed = Placement { conn: ConnParams { port: Some(2222), ..ConnParams::default() }, ..placement("c") };
        let mut placements = [placement("a"), changed];
        health.move_unreachable_last(&mut placements, start);
        assert_eq!(placements[0].server, "c");
    }
}
