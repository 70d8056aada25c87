//! Claims of units of resources, and the revision of the registry.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use mer_core::{Command, ModelParams, ModelSpec, Registry, Status};
use mer_dal::{ClaimOwner, ClaimUnit, Store, Taken};
use uuid::Uuid;

use super::writers::race;
use crate::{ended, started};

const LONG: Duration = Duration::from_secs(90);
/// Number of times that each racing process takes a unit.
const ROUNDS: usize = 4;

fn unit(name: &str) -> ClaimUnit {
    ClaimUnit { pool: "gpu1".to_owned(), resource: "gpu".to_owned(), unit: name.to_owned() }
}

fn owner(pid: u32) -> ClaimOwner {
    let (host, caller, model) = ("here".to_owned(), "ada".to_owned(), "iris".to_owned());
    ClaimOwner { uid: Uuid::new_v4(), host, pid, caller, model }
}

fn held(taken: &Taken) -> Vec<(&str, u32)> {
    match taken {
        Taken::All => panic!("all were taken"),
        Taken::Held(claims) => claims.iter().map(|claim| (claim.unit.unit.as_str(), claim.owner.pid)).collect(),
    }
}

/// All units are claimed or none, only their owner releases them, and what is released is gone.
pub async fn claims_are_taken_all_or_none(store: &Store) {
    let (one, two) = (owner(1), owner(2));
    let (a, b, c) = (unit("a"), unit("b"), unit("c"));
    // The order and doubles of a request do not matter.
    assert_eq!(store.take_claims(&[b.clone(), a.clone(), b.clone()], &one, LONG).await.unwrap(), Taken::All);
    let refused = store.take_claims(&[c.clone(), b.clone()], &two, LONG).await.unwrap();
    assert_eq!(held(&refused), [("b", 1)]);
    let known = store.list_claims().await.unwrap();
    assert_eq!(known.iter().map(|claim| claim.unit.clone()).collect::<Vec<_>>(), [a.clone(), b.clone()]);
    assert!(known.iter().all(|claim| claim.owner == one && !claim.is_void && claim.wanted_by.is_none()), "{known:#?}");
    // A unit of another pool or resource is another unit.
    let others =
        [ClaimUnit { pool: "gpu2".to_owned(), ..a.clone() }, ClaimUnit { resource: "slots".to_owned(), ..a.clone() }];
    assert_eq!(store.take_claims(&others, &two, LONG).await.unwrap(), Taken::All);
    store.release_claims(two.uid, &others).await.unwrap();

    store.release_claims(two.uid, &[a.clone(), b.clone()]).await.unwrap();
    assert_eq!(held(&store.take_claims(&[a.clone(), b.clone()], &two, LONG).await.unwrap()), [("a", 1), ("b", 1)]);
    // Taking again is renewing, as when an answer was lost.
    assert_eq!(store.take_claims(std::slice::from_ref(&a), &one, LONG).await.unwrap(), Taken::All);
    for _ in 0..2 {
        store.release_claims(one.uid, &[b.clone(), c.clone()]).await.unwrap();
    }
    assert_eq!(store.take_claims(&[b.clone(), c.clone()], &two, LONG).await.unwrap(), Taken::All);
    store.release_claims(one.uid, &[a, b.clone()]).await.unwrap();
    store.release_claims(two.uid, &[b, c]).await.unwrap();
    assert_eq!(store.list_claims().await.unwrap(), []);
    assert_eq!(store.take_claims(&[], &one, LONG).await.unwrap(), Taken::All);
}

/// Claims of owners that are known to be gone are taken over at once, on their own machine only, and with all others or not at
/// all.
pub async fn claims_of_owners_that_are_gone_are_taken_over(store: &Store) {
    let (gone, alive, next) = (owner(1), owner(2), owner(3));
    let elsewhere = ClaimOwner { host: "there".to_owned(), ..owner(4) };
    let (a, b, c) = (unit("a"), unit("b"), unit("c"));
    assert_eq!(store.take_claims(&[a.clone(), b.clone()], &gone, LONG).await.unwrap(), Taken::All);
    assert_eq!(store.take_claims(std::slice::from_ref(&c), &alive, LONG).await.unwrap(), Taken::All);
    let over = async |units: &[ClaimUnit], owner: &ClaimOwner, over: &[Uuid]| {
        store.take_claims_over(units, owner, LONG, over).await.unwrap()
    };
    let one = std::slice::from_ref(&a);
    assert_eq!(held(&over(one, &next, &[]).await), [("a", 1)]);
    assert_eq!(held(&over(one, &next, &[alive.uid, Uuid::new_v4()]).await), [("a", 1)]);
    // On another machine that proves nothing.
    assert_eq!(held(&over(one, &elsewhere, &[gone.uid]).await), [("a", 1)]);
    assert_eq!(held(&over(&[a.clone(), c.clone()], &next, &[gone.uid]).await), [("c", 2)]);
    assert_eq!(over(&[a.clone(), b.clone()], &next, &[Uuid::new_v4(), gone.uid]).await, Taken::All);
    // The former owner neither renews nor releases what is not its own any more.
    assert_eq!(store.renew_claims(gone.uid, &[a.clone(), b.clone()], LONG).await.unwrap(), [a.clone(), b.clone()]);
    store.release_claims(gone.uid, &[a.clone(), b.clone()]).await.unwrap();
    let known = store.list_claims().await.unwrap();
    let owners: Vec<u32> = known.iter().map(|claim| claim.owner.pid).collect();
    assert_eq!(owners, [3, 3, 2]);
    store.release_claims(next.uid, &[a, b]).await.unwrap();
    store.release_claims(alive.uid, &[c]).await.unwrap();
}

/// Sixteen processes race for two units: each unit has one holder at a time, and each process gets its turns.
pub async fn sixteen_processes_share_two_units(store: &Store) {
    let units = [unit("0"), unit("1")];
    let holders: RefCell<[Option<Uuid>; 2]> = RefCell::default();
    let turns = Cell::new(0);
    let (units, holders, turns) = (&units, &holders, &turns);
    race((0..16_u32).map(|process| async move {
        let owner = owner(process);
        for round in 0..ROUNDS {
            let deadline = Instant::now() + Duration::from_secs(60);
            let index = loop {
                // Every fourth turn needs both.
                let both = round == ROUNDS - 1;
                let first = usize::try_from(process).unwrap() % 2;
                let wanted = if both { &units[..] } else { &units[first..=first] };
                if store.take_claims(wanted, &owner, LONG).await.unwrap() == Taken::All {
                    break if both { [0, 1].as_slice().to_vec() } else { vec![first] };
                }
                assert!(Instant::now() < deadline, "process {process} gets no unit");
                tokio::time::sleep(Duration::from_millis(2)).await;
            };
            for index in &index {
                assert_eq!(holders.borrow_mut()[*index].replace(owner.uid), None, "a unit has two holders");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            turns.set(turns.get() + 1);
            let mine: Vec<ClaimUnit> = index.iter().map(|index| units[*index].clone()).collect();
            assert_eq!(store.renew_claims(owner.uid, &mine, LONG).await.unwrap(), []);
            for index in &index {
                assert_eq!(holders.borrow_mut()[*index].take(), Some(owner.uid));
            }
            store.release_claims(owner.uid, &mine).await.unwrap();
        }
    }))
    .await;
    assert_eq!(turns.get(), 16 * ROUNDS);
    assert_eq!(store.list_claims().await.unwrap(), []);
}

/// A claim lasts as long as was said by the clock of the database, and is lost for good after that.
pub async fn claims_run_out_by_the_clock_of_the_database(store: &Store) {
    let (one, two) = (owner(1), owner(2));
    let units = [unit("a"), unit("b")];
    let short = Duration::from_millis(400);
    assert_eq!(store.take_claims(&units, &one, LONG).await.unwrap(), Taken::All);
    let claim = store.list_claims().await.unwrap().swap_remove(0);
    let lasts = claim.valid_until.duration_since(claim.taken_at);
    assert!((lasts - SignedDuration::try_from(LONG).unwrap()).abs() < SignedDuration::from_secs(1), "{lasts:?}");
    assert_eq!(store.clear_void_claims().await.unwrap(), 0);

    // A renewal says how long the claim lasts from then on.
    assert_eq!(store.renew_claims(one.uid, &units, short).await.unwrap(), []);
    let begun = Instant::now();
    while store.take_claims(&units[..1], &two, LONG).await.unwrap() != Taken::All {
        assert!(begun.elapsed() < Duration::from_secs(20), "the claim does not run out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= short / 2, "the claim ran out after {:?}", begun.elapsed());
    // One is held by the other process, one is void: both are lost.
    assert_eq!(store.renew_claims(one.uid, &units, LONG).await.unwrap(), units);
    let known = store.list_claims().await.unwrap();
    assert_eq!(known.iter().map(|claim| (claim.owner.pid, claim.is_void)).collect::<Vec<_>>(), [(2, false), (1, true)]);
    assert_eq!(store.clear_void_claims().await.unwrap(), 1);
    assert_eq!(store.renew_claims(two.uid, &units[..1], LONG).await.unwrap(), []);
    store.release_claims(two.uid, &units).await.unwrap();
}

/// The owner of a unit learns that another process waits for it, until it has released it.
pub async fn owners_learn_what_is_wanted(store: &Store) {
    let (one, two) = (owner(1), owner(2));
    let units = [unit("a"), unit("b")];
    assert_eq!(store.take_claims(&units, &one, LONG).await.unwrap(), Taken::All);
    assert_eq!(store.wanted_of(one.uid).await.unwrap(), []);
    store.want_claims(&[unit("b"), unit("free")], two.uid).await.unwrap();
    // A process does not wait for itself.
    store.want_claims(&units, one.uid).await.unwrap();
    assert_eq!(store.wanted_of(one.uid).await.unwrap(), [unit("b")]);
    assert_eq!(store.wanted_of(two.uid).await.unwrap(), []);
    assert_eq!(store.list_claims().await.unwrap()[1].wanted_by, Some(two.uid));
    assert_eq!(store.renew_claims(one.uid, &units, LONG).await.unwrap(), []);
    assert_eq!(store.wanted_of(one.uid).await.unwrap(), [unit("b")]);
    store.release_claims(one.uid, &units).await.unwrap();
    assert_eq!(store.take_claims(&units, &two, LONG).await.unwrap(), Taken::All);
    assert_eq!(store.wanted_of(two.uid).await.unwrap(), []);
    store.release_claims(two.uid, &units).await.unwrap();
}

/// The revision grows when servers, models or aliases change, and with nothing else.
pub async fn the_revision_grows_with_each_change(store: &Store) {
    let mut last = store.registry_revision().await.unwrap();
    let mut spec = ModelSpec::default();
    for program in ["one", "two"] {
        let command = Some(Command::Argv(vec![program.to_owned()]));
        spec.params = ModelParams { inference_command: command, ..ModelParams::default() };
        let models = [("revised".to_owned(), spec.clone())].into();
        store.apply(&Registry { models, ..Registry::default() }).await.unwrap();
        let revision = store.registry_revision().await.unwrap();
        assert!(revision > last, "{program}: {revision} after {last}");
        last = revision;
    }
    // What is equal is left alone, and the log and claims are no part of the registry.
    let models = [("revised".to_owned(), spec)].into();
    store.apply(&Registry { models, ..Registry::default() }).await.unwrap();
    let access = ended(&started(Uuid::now_v7(), 1, "revised", Timestamp::UNIX_EPOCH), Status::Succeeded);
    store.record(&[access]).await.unwrap();
    let one = owner(1);
    assert_eq!(store.take_claims(&[unit("a")], &one, LONG).await.unwrap(), Taken::All);
    store.release_claims(one.uid, &[unit("a")]).await.unwrap();
    assert_eq!(store.registry_revision().await.unwrap(), last);
    store.remove_model("revised").await.unwrap();
    assert!(store.registry_revision().await.unwrap() > last);
}
