//! Claims of units on a server that goes away and comes back.
#![cfg(all(feature = "postgres", feature = "surreal-server"))]
#![allow(clippy::unwrap_used, reason = "test code: it is to panic")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mer_core::{Classified as _, FailureKind};
use mer_dal::{ClaimUnit, Database, DbUrl, Settings, Taken};
use mer_migrations::{Policy, ensure_current};
use mer_service::claims::{ClaimError, ClaimKeeper, KeeperOwner};
use mer_testkit::network::Proxy;
use tempfile::TempDir;

const LASTS: Duration = Duration::from_secs(6);
const BOUND: Duration = Duration::from_secs(60);

type Yielded = Arc<Mutex<Vec<ClaimUnit>>>;

/// A migrated database, its port, and its URL by port.
struct Fresh {
    port: u16,
    url: Box<dyn Fn(u16) -> String>,
    folder: TempDir,
}

impl Fresh {
    fn database(&self, port: u16) -> Database {
        database(&(self.url)(port), self.folder.path())
    }
}

fn database(url: &str, folder: &Path) -> Database {
    let mut settings = Settings::new(DbUrl::parse(url, folder).unwrap());
    settings.wait = Duration::from_secs(1);
    settings.server.call_timeout = Duration::from_secs(1);
    Database::new(settings)
}

/// Makes a database on each server that there is.
async fn everywhere() -> Vec<Fresh> {
    let mut found: Vec<(u16, String)> = Vec::new();
    if let Some(server) = mer_testkit::postgres::shared() {
        found.push((server.port(), server.url(&server.database())));
    }
    if let Some(server) = mer_testkit::surreal_server::shared() {
        found.push((server.port(), server.url(&server.database())));
    }
    let mut all = Vec::new();
    for (port, url) in found {
        let at = move |other: u16| url.replace(&format!(":{port}"), &format!(":{other}"));
        let fresh = Fresh { port, url: Box::new(at), folder: tempfile::tempdir().unwrap() };
        let session = fresh.database(port).session().await.unwrap();
        ensure_current(&session, Policy::Migrate).await.unwrap();
        all.push(fresh);
    }
    all
}

fn keeper(database: Database, pid: u32) -> (ClaimKeeper, Yielded) {
    let yielded = Yielded::default();
    let sink = Arc::clone(&yielded);
    let owner = KeeperOwner { host: "here".to_owned(), pid, caller: "ada".to_owned() };
    let yields = Box::new(move |units: &[ClaimUnit]| *sink.lock().unwrap() = units.to_vec());
    (ClaimKeeper::new(database, owner, yields), yielded)
}

fn unit(name: &str) -> ClaimUnit {
    ClaimUnit { pool: "gpu1".to_owned(), resource: "gpu".to_owned(), unit: name.to_owned() }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < BOUND, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn claims_are_renewed_as_long_as_they_are_held() {
    for fresh in everywhere().await {
        let (one, yielded) = keeper(fresh.database(fresh.port), 1);
        let (two, _) = keeper(fresh.database(fresh.port), 2);
        assert_eq!(one.take(&[unit("a"), unit("b")], "iris", LASTS, &[]).await.unwrap(), Taken::All);
        assert_eq!(one.wanted().await.unwrap(), []);
        let begun = Instant::now();
        while begun.elapsed() < LASTS * 2 {
            let Taken::Held(claims) = two.take(&[unit("a")], "oak", LASTS, &[]).await.unwrap() else {
                panic!("it is held")
            };
            assert_eq!((claims[0].owner.pid, claims[0].owner.model.as_str()), (1, "iris"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        two.want(&[unit("a")]).await.unwrap();
        assert_eq!(one.wanted().await.unwrap(), [unit("a")]);
        one.release(&[unit("a")]);
        until("what is released is free", async || {
            two.take(&[unit("a")], "oak", LASTS, &[]).await.unwrap() == Taken::All
        })
        .await;
        one.release(&[unit("b")]);
        two.release(&[unit("a")]);
        one.finish().await;
        two.finish().await;
        let session = fresh.database(fresh.port).session().await.unwrap();
        assert_eq!(session.list_claims().await.unwrap(), []);
        assert!(yielded.lock().unwrap().is_empty());
        // A take that nothing waits for any more leaves no claim.
        let (a, b) = ([unit("a")], [unit("b")]);
        for (units, is_late) in [(&a, false), (&b, true), (&a, true), (&b, false)] {
            let given_up = async {
                if is_late {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                taken = one.take(units, "iris", BOUND, &[]) => panic!("taken without asking: {taken:?}"),
                () = given_up => {}
            }
        }
        one.finish().await;
        until("nothing is left", async || session.list_claims().await.unwrap().is_empty()).await;
    }
}

#[tokio::test]
async fn a_keeper_that_lost_the_database_starts_nothing_and_learns_that_its_claim_is_gone() {
    for fresh in everywhere().await {
        let proxy = Proxy::to(([127, 0, 0, 1], fresh.port).into());
        let (cut_off, yielded) = keeper(fresh.database(proxy.address().port()), 1);
        let (other, _) = keeper(fresh.database(fresh.port), 2);
        let held = [unit("a"), unit("b")];
        assert_eq!(cut_off.take(&held, "iris", LASTS, &[]).await.unwrap(), Taken::All);
        proxy.hold();
        until("idle processes are ended", async || *yielded.lock().unwrap() == held).await;
        let error = cut_off.take(&[unit("c")], "iris", LASTS, &[]).await.unwrap_err();
        assert!(matches!(error, ClaimError::CutOff), "{error:?}");
        assert_eq!(error.failure_kind(), FailureKind::Busy);
        until("its claim runs out", async || other.take(&held[..1], "oak", LASTS, &[]).await.unwrap() == Taken::All)
            .await;

        // The claim of the other unit is taken again; the lost one is not, and what was sent before renews nothing.
        proxy.release();
        until("only the lost unit is yielded", async || *yielded.lock().unwrap() == held[..1]).await;
        until("it can start again", async || cut_off.take(&[unit("c")], "iris", LASTS, &[]).await.is_ok()).await;
        let session = fresh.database(fresh.port).session().await.unwrap();
        let owners = async || -> Vec<(String, u32)> {
            let claims = session.list_claims().await.unwrap().into_iter();
            claims.filter(|claim| !claim.is_void).map(|claim| (claim.unit.unit, claim.owner.pid)).collect()
        };
        let expected = [("a", 2), ("b", 1), ("c", 1)].map(|(unit, pid)| (unit.to_owned(), pid));
        until("each has its claims", async || owners().await == expected).await;

        // Whose claim is lost releases nothing of the new owner.
        cut_off.release(&[unit("a"), unit("b"), unit("c")]);
        cut_off.finish().await;
        assert_eq!(owners().await, expected[..1]);
        other.release(&held[..1]);
        other.finish().await;
        assert_eq!(owners().await, []);
    }
}
