//! Two drains at once.

use super::*;
use crate::{DrainOptions, journal::files::DRAIN_LOCK};

#[tokio::test]
async fn a_drain_that_waits_lets_the_one_before_it_have_the_database() {
    let (database, journal) = journal().await;
    let access = started();
    journal.started(&access, Durability::Synced).await.unwrap();
    let lock = File::create(database.journal_dir().join(DRAIN_LOCK)).unwrap();
    assert!(try_lock(&lock).unwrap());

    let session = database.session().await.unwrap();
    let drained = session.drain_what_can_be(DrainOptions::default()).await.unwrap();
    assert_eq!(drained.report, DrainReport::default(), "it does not wait");

    let first = async {
        // It gets the database although the second one had it, and only then ends.
        with_session(&database, async |_| ()).await;
        drop(lock);
    };
    let second = drained.session.drain_what_can_be(DrainOptions { waits: true, ..DrainOptions::default() });
    let bound = Duration::from_secs(60);
    let ((), drained) = tokio::time::timeout(bound, async { tokio::join!(first, second) }).await.unwrap();
    let drained = drained.unwrap();
    assert_eq!(drained.report, DrainReport { recorded: 1, ..DrainReport::default() });
    drained.session.close().await.unwrap();
}
