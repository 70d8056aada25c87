//! The places of a batch on the servers of its model: how many of its parts may run at once, and where.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::Instant,
};

use crate::{
    Request, Scheduler, SchedulerError, limits::Limits, placement::Placement, replica::replicas,
    server_health::ServerHealth,
};

/// Number of starts in succession that may fail on a server on which the model was ready before.
const START_FAILURES: u32 = 3;

/// How a part has gone, as far as it matters for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceUse {
    /// The server was reached, and a process was ready.
    Served,
    /// The server could not be reached.
    Unreachable,
    /// No process of the model became ready there.
    StartFailed,
    /// Nothing is known about the server.
    Unknown,
}

/// The places of a batch on the servers of its model. A server that fails is set aside for a while, and comes back.
#[derive(Debug)]
pub struct BatchPlaces {
    servers: Vec<Placement>,
    health: ServerHealth,
    state: Mutex<Vec<ServerState>>,
}

#[derive(Debug, Clone)]
struct ServerState {
    /// Maximum number of parts at once.
    places: usize,
    /// Number of parts that run.
    taken: usize,
    /// Whether the model was ready there.
    was_ready: bool,
    /// Number of starts that failed in succession.
    start_failures: u32,
}

impl Scheduler {
    /// Returns the places of a batch of which each part is like this request. `jobs` is the maximum number of its parts.
    ///
    /// Where neither resources nor `instances` limit a server, it has as many places as there are jobs; without that, one for a
    /// process that stays up, and as many as this machine has processors for others.
    ///
    /// # Errors
    /// The model has no such server, or needs what none of them has.
    pub fn batch_places(&self, request: &Request<'_>, jobs: Option<usize>) -> Result<BatchPlaces, SchedulerError> {
        let servers = self.able(replicas(request.model, request.servers, request.pinned)?, request.model)?;
        let state = servers
            .iter()
            .map(|placement| ServerState {
                places: places(placement, &self.limits, jobs),
                taken: 0,
                was_ready: false,
                start_failures: 0,
            })
            .collect();
        Ok(BatchPlaces { servers, health: ServerHealth::default(), state: Mutex::new(state) })
    }
}

fn places(placement: &Placement, limits: &Limits, jobs: Option<usize>) -> usize {
    let instances = placement.params.instances.map(|count| usize::try_from(count).unwrap_or(usize::MAX).max(1));
    let default = || match placement.params.protocol().stays_up() {
        true => 1,
        false => available_parallelism().map_or(1, usize::from),
    };
    let bound = match (limits.most_at_once(placement), instances) {
        (Some(most), Some(instances)) => most.min(instances),
        (Some(most), None) => most,
        (None, Some(instances)) => instances,
        (None, None) => jobs.unwrap_or_else(default),
    };
    bound.min(jobs.unwrap_or(usize::MAX)).max(1)
}

impl BatchPlaces {
    /// Returns how many parts may run at once: the places on all servers that are not set aside.
    #[must_use]
    pub fn capacity(&self) -> usize {
        let now = Instant::now();
        let state = self.lock();
        let able = self.servers.iter().zip(&*state).filter(|(server, _)| !self.health.is_set_aside(server, now));
        able.map(|(_, state)| state.places).fold(0, usize::saturating_add)
    }

    /// Takes a place on the server that has the most free, which is not the one to be avoided if there is another one. Returns
    /// the name of the server; none if all servers are set aside.
    #[must_use]
    pub fn take(&self, avoided: Option<&str>) -> Option<String> {
        let now = Instant::now();
        let mut state = self.lock();
        // The share that is taken, in 1/1000.
        let load = |state: &ServerState| state.taken.saturating_mul(1000) / state.places;
        let at = (0..self.servers.len())
            .filter(|at| !self.health.is_set_aside(&self.servers[*at], now))
            .min_by_key(|at| (Some(self.servers[*at].server.as_str()) == avoided, load(&state[*at])))?;
        state[at].taken += 1;
        Some(self.servers[at].server.clone())
    }

    /// Gives a place back.
    pub fn give_back(&self, server: &str, place: PlaceUse) {
        let Some(at) = self.servers.iter().position(|known| known.server == server) else { return };
        let mut state = self.lock();
        let state = &mut state[at];
        state.taken = state.taken.saturating_sub(1);
        match place {
            PlaceUse::Served => {
                (state.was_ready, state.start_failures) = (true, 0);
                self.health.reached(&self.servers[at]);
            }
            PlaceUse::StartFailed => {
                state.start_failures += 1;
                self.health.failed(&self.servers[at], Instant::now());
            }
            PlaceUse::Unreachable => self.health.failed(&self.servers[at], Instant::now()),
            PlaceUse::Unknown => {}
        }
    }

    /// Whether the model cannot be started on any server: nowhere at all, or nowhere any more several times.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        let failed = |state: &ServerState| match state.was_ready {
            true => state.start_failures >= START_FAILURES,
            false => state.start_failures > 0,
        };
        self.lock().iter().all(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ServerState>> {
        // Nothing that is called with the lock held panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mer_core::{ConnParams, ConnType, ModelParams};

    use super::*;

    fn places(counts: &[(&str, usize)]) -> BatchPlaces {
        let placement = |server: &str| Placement {
            server: server.to_owned(),
            conn_type: ConnType::Ssh,
            conn: ConnParams::default(),
            params: ModelParams::default(),
        };
        let state = |places| ServerState { places, taken: 0, was_ready: false, start_failures: 0 };
        BatchPlaces {
            servers: counts.iter().map(|(server, _)| placement(server)).collect(),
            health: ServerHealth::default(),
            state: Mutex::new(counts.iter().map(|(_, places)| state(*places)).collect()),
        }
    }

    #[test]
    fn parts_go_where_the_most_places_are_free_and_elsewhere_than_before() {
        let batch = places(&[("a", 1), ("b", 2)]);
        assert_eq!(batch.capacity(), 3);
        let taken: Vec<_> = (0..3).filter_map(|_| batch.take(None)).collect();
        assert_eq!(taken, ["a", "b", "b"]);
        batch.give_back("a", PlaceUse::Served);
        assert_eq!(batch.take(Some("a")).as_deref(), Some("b"));
        assert_eq!(batch.take(None).as_deref(), Some("a"));
        let only = places(&[("a", 1)]);
        assert_eq!(only.take(Some("a")).as_deref(), Some("a"));
    }

    #[test]
    fn a_server_that_cannot_be_reached_is_set_aside() {
        let batch = places(&[("a", 1), ("b", 2)]);
        batch.give_back("a", PlaceUse::Unreachable);
        assert_eq!((batch.capacity(), batch.take(None).as_deref()), (2, Some("b")));
        batch.give_back("b", PlaceUse::Unreachable);
        assert_eq!((batch.capacity(), batch.take(None)), (0, None));
        assert!(!batch.is_hopeless());
    }

    #[test]
    fn a_model_that_starts_nowhere_is_hopeless_and_one_that_did_start_later() {
        let batch = places(&[("a", 1), ("b", 1)]);
        batch.give_back("a", PlaceUse::StartFailed);
        assert!(!batch.is_hopeless());
        batch.give_back("b", PlaceUse::Served);
        for _ in 0..2 {
            batch.give_back("b", PlaceUse::StartFailed);
            assert!(!batch.is_hopeless());
        }
        batch.give_back("b", PlaceUse::StartFailed);
        assert!(batch.is_hopeless());
        batch.give_back("b", PlaceUse::Served);
        assert!(!batch.is_hopeless());
    }
}
