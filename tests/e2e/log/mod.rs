//! Questions to the log, its export, and its end, with each database.

mod export;
mod extremes;
mod filters;
mod prune;
mod readers;
mod report;
mod report_page;
mod screen;
mod statistics;
mod tail;

use mer_core::{Access, AccessKind, Status, Tags};
use mer_testkit::{ended, started};
use uuid::Uuid;

use crate::support::{OnServer, record, shared_databases};

/// Accesses an hour apart from 2026-05-01T00:00:00Z on; each third fails, each fifth is a training.
pub(crate) fn hourly(count: u32) -> Vec<Access> {
    let access = |n: u32| {
        let uid = Uuid::from_u128((0x0190_0000_0000_7000_8000_u128 << 48) + u128::from(n));
        let start = jiff::Timestamp::from_second(1_777_593_600 + i64::from(n) * 3600).expect("a time");
        let begun = started(uid, 1, ["iris", "echo"][n as usize % 2], start);
        let status = if n % 3 == 2 { Status::Failed } else { Status::Succeeded };
        let mut over = ended(&begun, status);
        over.kind = if n % 5 == 4 { AccessKind::Train } else { AccessKind::Infer };
        over.server = ["local", "gpu"][n as usize / 2 % 2].to_owned();
        over.caller = ["ada@lab", "bob@lab"][n as usize / 3 % 2].to_owned();
        (over.batch_uid, over.items, over.failed_items) = (None, None, None);
        over.error = (status == Status::Failed).then(|| format!("it was {}%", n * 10));
        over.run_ms = Some(f64::from(n) + 0.5);
        over.tags = Tags([("n".to_owned(), n.to_string())].into());
        over
    };
    (0..count).map(access).collect()
}

/// An environment for each kind of database, with these accesses.
fn everywhere(accesses: &[Access]) -> Vec<OnServer> {
    let embedded = OnServer::embedded();
    embedded.mer(["migrate", "--quiet"]).ok();
    let places: Vec<OnServer> = shared_databases().into_iter().map(OnServer::migrated).chain([embedded]).collect();
    for place in &places {
        // A server without optimisation takes seconds for a thousand rows.
        accesses.chunks(100).for_each(|some| record(&place.env, &place.url, some));
    }
    places
}
