//! Concurrent writers. Some engines let two succeed; all of them make some fail and try again.

use jiff::Timestamp;
use mer_core::{Access, Command, ModelParams, ModelSpec, Registry, Status};
use mer_dal::{AccessFilter, Store};
use uuid::Uuid;

use crate::{ended, started};

const WRITERS: usize = 16;

/// Runs the futures of all writers at once.
pub(super) async fn race<F: Future<Output = ()>>(writers: impl Iterator<Item = F>) {
    let mut running: Vec<_> = writers.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        running.retain_mut(|writer| writer.as_mut().poll(context).is_pending());
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Sixteen ends of the same attempt: one is kept, complete, and every writer reads the same.
pub async fn sixteen_writers_race_for_one_record(store: &Store) {
    for round in 0..8 {
        let begun = started(Uuid::now_v7(), 1, "race", Timestamp::UNIX_EPOCH);
        if round % 2 == 0 {
            store.record(std::slice::from_ref(&begun)).await.unwrap();
        }
        let winners = std::cell::RefCell::new(Vec::new());
        let (begun, winners) = (&begun, &winners);
        race((0..WRITERS).map(|writer| async move {
            let mine = Access { caller: format!("writer {writer}"), ..ended(begun, Status::Succeeded) };
            store.record(&[mine]).await.unwrap();
            // After one writer is done, the record does not change any more.
            let seen = store.access(begun.request_uid).await.unwrap();
            winners.borrow_mut().push(seen);
        }))
        .await;
        let winners = winners.borrow();
        assert_eq!(winners.len(), WRITERS);
        assert!(winners.iter().all(|seen| seen.len() == 1 && *seen == winners[0]), "two winners: {winners:#?}");
    }
}

/// Sixteen writers of overlapping batches and of the registry: nothing is missing or duplicated.
pub async fn sixteen_writers_lose_nothing(store: &Store) {
    let shared: Vec<Access> = (0..20).map(|_| started(Uuid::now_v7(), 1, "shared", Timestamp::UNIX_EPOCH)).collect();
    let shared = &shared;
    race((0..WRITERS).map(|writer| async move {
        let mut batch: Vec<Access> = shared.iter().map(|begun| ended(begun, Status::Succeeded)).collect();
        batch.extend((0..5).map(|_| started(Uuid::now_v7(), 1, "own", Timestamp::UNIX_EPOCH)));
        store.record(&batch).await.unwrap();
        let command = Some(Command::Argv(vec![format!("program {writer}")]));
        let params = ModelParams { inference_command: command, ..ModelParams::default() };
        let spec = ModelSpec { params, ..ModelSpec::default() };
        let models = [("contended".to_owned(), spec.clone()), (format!("own-{writer}"), spec)].into();
        store.apply(&Registry { models, ..Registry::default() }).await.unwrap();
    }))
    .await;
    let count = async |model: &str| {
        let filter = AccessFilter { limit: 10_000, model: Some(model.to_owned()), ..AccessFilter::default() };
        store.accesses(&filter).await.unwrap().len()
    };
    assert_eq!(count("shared").await, shared.len());
    assert_eq!(count("own").await, WRITERS * 5);
    let models = store.models().await.unwrap();
    assert_eq!(models.iter().filter(|model| model.name == "contended").count(), 1);
    assert_eq!(models.iter().filter(|model| model.name.starts_with("own-")).count(), WRITERS);
}
