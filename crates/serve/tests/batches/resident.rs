//! Batches of a model that a resident keeps.

use std::{fs, sync::Arc, time::Duration};

use mer_batch::Stop;
use mer_client::steer;
use mer_core::Status;
use mer_serve::serve;
use tokio::sync::oneshot;

use crate::support::{Env, counts, is_complete, items, options, resident_options, resident_runner};

/// Runs a resident beside `work`.
async fn beside_resident<T>(env: &Env, work: impl AsyncFnOnce(oneshot::Sender<()>) -> T) -> T {
    let (end, ended) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel();
    let signal = async {
        let _ = ended.await;
    };
    let serving = serve(
        Arc::new(env.runtime()),
        resident_options(env),
        || ready.send(()).expect("awaited"),
        signal,
        std::future::pending(),
    );
    let working = async {
        is_ready.await.expect("ready");
        work(end).await
    };
    tokio::pin!(serving, working);
    tokio::select! {
        done = &mut working => done,
        served = &mut serving => {
            served.expect("served");
            working.await
        }
    }
}

#[tokio::test]
async fn a_kept_model_serves_the_parts_of_a_batch() {
    let env = Env::new().await;
    let runtime = env.runtime();
    beside_resident(&env, async |_end| {
        for _ in 0..2 {
            let options = mer_batch::Options { force: true, ..options() };
            let batch = options.batch_uid;
            let runner = Arc::new(resident_runner(&env, &runtime, "kept").await);
            let input = items(1500) + "die\n";
            let (summary, results) = env.run(runner, options, input, Stop::default()).await;
            assert!(is_complete(&summary), "{:?}", summary.end);
            let expected: Vec<String> =
                (0..1500).map(|number| format!("got item {number}")).chain([String::new()]).collect();
            assert!(results == expected);
            let rows = env.rows(&runtime, batch).await;
            assert!(rows.iter().all(|row| row.via.as_deref() == Some("resident") && row.caller == "ada@host"));
            let succeeded: Vec<_> = rows.iter().filter(|row| row.status == Status::Succeeded).cloned().collect();
            assert_eq!(counts(&succeeded).0, 1500);
        }
        // The process of the second batch is the one that the first has left.
        let processes = steer::processes(&env.location()).await.expect("a list");
        assert!(processes.len() <= 1, "{processes:?}");
    })
    .await;
}

#[tokio::test]
async fn a_long_item_and_a_long_reply_go_through_the_resident() {
    let env = Env::new().await;
    let runtime = env.runtime();
    beside_resident(&env, async |_end| {
        let long = "x".repeat(3_000_000);
        let runner = Arc::new(resident_runner(&env, &runtime, "kept").await);
        let input = format!("a\n{long}\nb\n{long}\n");
        let (summary, results) = env.run(runner, options(), input, Stop::default()).await;
        assert!(is_complete(&summary), "{:?}", summary.end);
        let long = format!("got {long}");
        assert!(results == ["got a", &long, "got b", &long]);
    })
    .await;
}

#[tokio::test]
async fn a_model_that_is_not_kept_runs_here() {
    let env = Env::new().await;
    let runtime = env.runtime();
    beside_resident(&env, async |_end| {
        let options = options();
        let batch = options.batch_uid;
        let runner = Arc::new(resident_runner(&env, &runtime, "plain").await);
        let (summary, _) = env.run(runner, options, items(10), Stop::default()).await;
        assert!(is_complete(&summary), "{:?}", summary.end);
        assert!(env.rows(&runtime, batch).await.iter().all(|row| row.via.is_none()));
    })
    .await;
}

/// The model is changed while its batch runs: the rest of it runs here, as it was registered at the beginning.
#[tokio::test]
async fn a_batch_goes_on_where_its_resident_ends_in_the_middle() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let options = options();
    let batch = options.batch_uid;
    let (summary, results) = beside_resident(&env, async |end| {
        let runner = Arc::new(resident_runner(&env, &runtime, "kept").await);
        let ending = async {
            while env.starts() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            let _ = end.send(());
        };
        let running = env.run(runner, options, "slow\n".repeat(100), Stop::default());
        tokio::join!(running, ending).0
    })
    .await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    assert_eq!((results.len(), summary.progress.failed), (100, 0));
    assert!(results.iter().all(|result| result == "got slow"));
    let rows = env.rows(&runtime, batch).await;
    assert!(rows.iter().any(|row| row.via.is_none()) && rows.iter().any(|row| row.via.is_some()), "{rows:?}");
    assert!(fs::exists(env.path("starts")).expect("looked"));
}
