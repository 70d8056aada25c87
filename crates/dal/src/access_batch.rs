//! How accesses are cut into batches, and which of several records of one attempt is stored.

use std::collections::BTreeMap;

use mer_core::{Access, AttemptKey, Status};

/// Maximum number of accesses in one batch.
pub(crate) const BATCH_ROWS: usize = 1000;

/// Number of bytes of text after which a batch is full; the access that reaches it is still part of the batch.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// Returns the size in bytes of those texts of an access that may be long.
pub(crate) fn text_bytes(access: &Access) -> usize {
    access.stderr_tail.len() + access.error.as_ref().map_or(0, String::len)
}

/// Cuts accesses into batches, in their order.
pub(crate) fn batches(mut accesses: &[Access]) -> impl Iterator<Item = &[Access]> {
    std::iter::from_fn(move || {
        if accesses.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fitting = accesses.iter().take(BATCH_ROWS).take_while(|access| {
            let fits = bytes < BATCH_BYTES;
            bytes += text_bytes(access);
            fits
        });
        let (batch, rest) = accesses.split_at(fitting.count());
        accesses = rest;
        Some(batch)
    })
}

/// Returns one record for each attempt, ordered by key: the one with the highest [`Status::rank`], and of equals the first.
///
/// The order lets two writers of the same rows wait for each other instead of ending in a deadlock.
pub(crate) fn best_records(batch: &[Access]) -> BTreeMap<AttemptKey, &Access> {
    let mut best: BTreeMap<AttemptKey, &Access> = BTreeMap::new();
    for access in batch {
        let entry = best.entry(access.key()).or_insert(access);
        if access.status.rank() > entry.status.rank() {
            *entry = access;
        }
    }
    best
}

/// Returns the names of the statuses whose record a record of this status replaces.
pub(crate) const fn replaced_by(status: Status) -> &'static [&'static str] {
    match status.rank() {
        0 => &[],
        1 => &["started"],
        _ => &["started", "lost"],
    }
}

#[cfg(test)]
mod tests {
    use mer_testkit::{ended, started};
    use uuid::Uuid;

    use super::*;

    fn access(text: usize) -> Access {
        let begun = started(Uuid::now_v7(), 1, "m", jiff::Timestamp::now());
        Access { stderr_tail: "x".repeat(text), ..begun }
    }

    #[test]
    fn a_batch_ends_with_its_rows_or_its_bytes() {
        let lengths = |accesses: &[Access]| batches(accesses).map(<[Access]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&vec![access(0); BATCH_ROWS + 1]), [BATCH_ROWS, 1]);
        assert_eq!(lengths(&vec![access(BATCH_BYTES / 2); 5]), [2, 2, 1]);
        assert_eq!(lengths(&vec![access(BATCH_BYTES + 1); 2]), [1, 1]);
    }

    #[test]
    fn the_record_of_the_highest_rank_is_kept_and_of_equals_the_first() {
        let begun = access(0);
        let [first, second] = ["first", "second"].map(|text| {
            let end = ended(&begun, Status::Succeeded);
            Access { stderr_tail: text.to_owned(), ..end }
        });
        let lost = Access { status: Status::Lost, ..begun.clone() };
        let batch = [lost, first, second, begun];
        let best = best_records(&batch);
        assert_eq!(best.values().map(|access| access.stderr_tail.as_str()).collect::<Vec<_>>(), ["first"]);
    }
}
