//! Servers that could not be reached a moment ago. A request asks them last, until their pause is over.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use mer_core::ConnParams;

use crate::Placement;

/// After the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is known of the servers that failed, by name.
#[derive(Debug, Default)]
pub(crate) struct Down(Mutex<HashMap<String, Failed>>);

#[derive(Debug)]
struct Failed {
    /// With other parameters it is another server.
    conn: ConnParams,
    failures: u32,
    until: Instant,
}

impl Down {
    /// It could not be reached.
    pub(crate) fn failed(&self, placement: &Placement, now: Instant) {
        let mut down = self.lock();
        let before = down.get(&placement.server).filter(|failed| failed.conn == placement.conn);
        let failures = before.map_or(0, |failed| failed.failures) + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE);
        let failed = Failed { conn: placement.conn.clone(), failures, until: now + pause };
        down.insert(placement.server.clone(), failed);
    }

    /// It was reached.
    pub(crate) fn reached(&self, placement: &Placement) {
        self.lock().remove(&placement.server);
    }

    /// Moves those that are down behind the others; among equals the order stays.
    pub(crate) fn last(&self, placements: &mut [Placement], now: Instant) {
        let down = self.lock();
        if !down.is_empty() {
            placements.sort_by_key(|placement| {
                let failed = down.get(&placement.server).filter(|failed| failed.conn == placement.conn);
                failed.is_some_and(|failed| now < failed.until)
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failed>> {
        // Every change is one call: a panic cannot leave it half done.
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

    fn order(down: &Down, now: Instant) -> Vec<String> {
        let mut placements = ["a", "b", "c"].map(placement);
        down.last(&mut placements, now);
        placements.map(|placement| placement.server).into()
    }

    #[test]
    fn who_failed_is_asked_last_until_the_pause_is_over_and_longer_each_time() {
        let (down, start) = (Down::default(), Instant::now());
        assert_eq!(order(&down, start), ["a", "b", "c"]);
        down.failed(&placement("a"), start);
        assert_eq!(order(&down, start + Duration::from_secs(9)), ["b", "c", "a"]);
        assert_eq!(order(&down, start + Duration::from_secs(10)), ["a", "b", "c"]);
        down.failed(&placement("a"), start);
        assert_eq!(order(&down, start + Duration::from_secs(19)), ["b", "c", "a"]);
        for _ in 0..40 {
            down.failed(&placement("a"), start);
        }
        assert_eq!(order(&down, start + Duration::from_secs(299)), ["b", "c", "a"]);
        assert_eq!(order(&down, start + Duration::from_secs(300)), ["a", "b", "c"]);
        down.reached(&placement("a"));
        assert_eq!(order(&down, start), ["a", "b", "c"]);
    }

    #[test]
    fn where_all_are_down_the_order_stays_and_a_changed_server_is_another() {
        let (down, start) = (Down::default(), Instant::now());
        for server in ["a", "b", "c"] {
            down.failed(&placement(server), start);
        }
        assert_eq!(order(&down, start), ["a", "b", "c"]);
        let changed = Placement { conn: ConnParams { port: Some(2222), ..ConnParams::default() }, ..placement("c") };
        let mut placements = [placement("a"), changed];
        down.last(&mut placements, start);
        assert_eq!(placements[0].server, "c");
    }
}
