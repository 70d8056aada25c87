//! Limits that machines share: what others have claimed is left to them, and what is known to be unused is taken over.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use mer_core::{FailureKind, Status};
use mer_scheduler::{LimitsConfig, SharedClaim, SharedFuture, SharedLimits, SharedLimitsError, SharedTake, Unit};
use serde_json::json;
use tempfile::tempdir;
use uuid::Uuid;

use crate::support::{Env, How};

/// The claims of all machines, and their owners.
type Claims = Arc<Mutex<BTreeMap<Unit, Uuid>>>;

/// The claims as one `mer` sees them.
#[derive(Debug)]
struct Shared {
    owner: Uuid,
    claims: Claims,
    is_away: AtomicBool,
    /// Releases nothing, as a `mer` that was killed.
    is_killed: bool,
}

impl SharedLimits for Shared {
    fn owner(&self) -> Uuid {
        self.owner
    }

    fn claimed(&self) -> SharedFuture<'_, Vec<(Unit, Uuid)>> {
        let claims = self.claims.lock().expect("a lock").iter().map(|(unit, owner)| (unit.clone(), *owner)).collect();
        Box::pin(async { claims })
    }

    fn take<'a>(&'a self, claim: &'a SharedClaim) -> SharedFuture<'a, Result<SharedTake, SharedLimitsError>> {
        Box::pin(async {
            if self.is_away.load(Ordering::Relaxed) {
                let message = "the server does not answer".to_owned();
                return Err(SharedLimitsError { kind: FailureKind::Io, message, is_passing: true });
            }
            let mut claims = self.claims.lock().expect("a lock");
            let is_held = |unit: &&Unit| {
                claims.get(unit).is_some_and(|owner| *owner != self.owner && !claim.gone.contains(owner))
            };
            let held: Vec<Unit> = claim.units.iter().filter(is_held).cloned().collect();
            if !held.is_empty() {
                return Ok(SharedTake::Held(held));
            }
            claims.extend(claim.units.iter().map(|unit| (unit.clone(), self.owner)));
            Ok(SharedTake::Taken)
        })
    }

    fn release(&self, units: &[Unit]) {
        if !self.is_killed {
            self.claims.lock().expect("a lock").retain(|unit, owner| *owner != self.owner || !units.contains(unit));
        }
    }

    fn want<'a>(&'a self, _: &'a [Unit]) -> SharedFuture<'a, ()> {
        Box::pin(async {})
    }

    fn wanted(&self) -> SharedFuture<'_, Vec<Unit>> {
        Box::pin(async { Vec::new() })
    }
}

/// A scheduler of a machine with this folder of locks.
fn machine(locks: &Path, claims: &Claims, is_killed: bool) -> (Arc<Env>, Arc<Shared>) {
    let is_away = AtomicBool::new(false);
    let shared = Arc::new(Shared { owner: Uuid::new_v4(), claims: Arc::clone(claims), is_away, is_killed });
    let limits = LimitsConfig {
        folder: locks.join("mer").join("locks"),
        host: "box".to_owned(),
        shared: Some(Arc::clone(&shared) as _),
        ..LimitsConfig::default()
    };
    (Env::with(limits), shared)
}

fn unit(server: &str) -> Unit {
    Unit { pool: format!("{server}@box"), resource: "gpu".to_owned(), name: "0".to_owned() }
}

#[tokio::test]
async fn a_server_that_another_machine_uses_is_left_to_it() {
    let (locks, claims) = (tempdir().expect("a folder"), Claims::default());
    let (env, _) = machine(locks.path(), &claims, false);
    let model = env.model("m", json!({"needs": {"gpu": 1}, "servers": ["g1", "g2"], "keepalive": "0"}));
    let server = async || env.send(&model, "x", How::new()).await.expect("attempted").0.access.server;
    assert_eq!(server().await, "g1");
    claims.lock().expect("a lock").insert(unit("g1"), Uuid::new_v4());
    assert_eq!(server().await, "g2");
    claims.lock().expect("a lock").clear();
    assert_eq!(server().await, "g1");
}

#[tokio::test]
async fn what_a_killed_process_has_claimed_is_taken_over_on_its_machine_only() {
    let (here, there, claims) = (tempdir().expect("a folder"), tempdir().expect("a folder"), Claims::default());
    let params = json!({"needs": {"gpu": 1}, "servers": ["g1"], "keepalive": "0", "queueTimeout": "300ms"});
    let (killed, shared) = machine(here.path(), &claims, true);
    assert_eq!(killed.ask(&killed.model("m", params.clone()), "x").await, "got x");
    drop(killed);
    assert_eq!(claims.lock().expect("a lock").get(&unit("g1")), Some(&shared.owner), "its claim is left");
    let (elsewhere, _) = machine(there.path(), &claims, false);
    let outcome = elsewhere.fail(&elsewhere.model("m", params.clone()), "x", How::new()).await;
    assert_eq!(outcome.access.status, Status::Timeout);
    // Also when the choice is made among several servers.
    let (next, _) = machine(here.path(), &claims, false);
    let both = json!({"needs": {"gpu": 1}, "servers": ["g1", "g2"], "keepalive": "0"});
    let (outcome, _) = next.send(&next.model("m", both), "x", How::new()).await.expect("attempted");
    assert_eq!((outcome.access.server.as_str(), outcome.succeeded()), ("g1", true));
    drop(next);
    // Its process is gone a moment after its reply.
    let begun = std::time::Instant::now();
    while !claims.lock().expect("a lock").is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "a claim is left: {claims:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_wait_that_the_database_has_prolonged_says_so() {
    let (locks, claims) = (tempdir().expect("a folder"), Claims::default());
    let (env, shared) = machine(locks.path(), &claims, false);
    shared.is_away.store(true, Ordering::Relaxed);
    let model = env.model("m", json!({"needs": {"gpu": 1}, "servers": ["g1"], "queueTimeout": "300ms"}));
    let outcome = env.fail(&model, "x", How::new()).await;
    assert_eq!((outcome.access.status, outcome.failure), (Status::Timeout, Some(FailureKind::Busy)));
    let error = outcome.access.error.expect("an error");
    let expected =
        "a free `gpu` of `g1@box` was waited for, and it could not be claimed in the database: the server does";
    assert!(error.contains("queueTimeout") && error.contains(expected), "{error}");
    shared.is_away.store(false, Ordering::Relaxed);
    assert_eq!(env.ask(&model, "x").await, "got x");
}
