//! The SQL of lists and statistics of the log.

use std::fmt::Display;

use jiff::Timestamp;
use sqlx::{Postgres, QueryBuilder};

use super::{
    rows::{count, text, texts},
    wire_types::{Id, Time},
};
use crate::{AccessFilter, WeightsFilter, access_filter::Cursor};

/// Number of letters of a model's name in the index: an index entry of PostgreSQL has 2,704 bytes at most.
const INDEXED: usize = 200;

/// Roughly the earliest time that the server can store, in seconds since 1970: the year 4368 BC.
const EARLIEST: i64 = -200_000_000_000;

/// Selects accesses with the columns that are read.
macro_rules! select_accesses {
    () => {
        concat!("SELECT ", $crate::postgres::rows::access_columns!(), r#" FROM "ModelAccess""#)
    };
}
pub(super) use select_accesses;

/// Selects accesses newest first, after the last one of the page before.
pub(super) fn newest(filter: &AccessFilter, after: Option<Cursor>, limit: usize) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(select_accesses!());
    let mut conditions = Conditions::new(&mut query);
    conditions.add_filter(filter);
    if let Some(Cursor { start, key, .. }) = after {
        let query = conditions.next(r#"("startAccess", "requestUid", "attempt") < ("#);
        query.push_bind(Time(start)).push(", ").push_bind(Id(key.request_uid));
        query.push(", ").push_bind(i64::from(key.attempt)).push(")");
    }
    query.push(r#" ORDER BY "startAccess" DESC, "requestUid" DESC, "attempt" DESC LIMIT "#);
    query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

/// Conditions of a query, joined by `AND`.
pub(super) struct Conditions<'a> {
    query: &'a mut QueryBuilder<Postgres>,
    before: &'static str,
}

impl<'a> Conditions<'a> {
    pub(super) const fn new(query: &'a mut QueryBuilder<Postgres>) -> Self {
        Self { query, before: " WHERE " }
    }

    /// Begins the next condition.
    fn next(&mut self, begin: impl Display) -> &mut QueryBuilder<Postgres> {
        self.query.push(self.before).push(begin);
        self.before = " AND ";
        self.query
    }

    /// Adds every condition of a filter.
    pub(super) fn add_filter(&mut self, filter: &AccessFilter) {
        if let Some(batch) = filter.batch {
            self.next(r#""batchUid" = "#).push_bind(Id(batch));
        }
        if let Some(model) = &filter.model {
            self.add_model(model, filter.version, filter.batch.is_some());
        }
        if let Some(since) = filter.since {
            self.next(r#""startAccess" >= "#).push_bind(time(since));
        }
        if let Some(until) = filter.until {
            self.next(r#""startAccess" < "#).push_bind(time(until));
        }
        if !filter.kinds.is_empty() {
            let kinds: Vec<String> = filter.kinds.iter().map(ToString::to_string).collect();
            self.next(r#""kind" = ANY("#).push_bind(kinds).push(")");
        }
        if filter.excludes_successes() {
            // The condition of an index.
            self.next(r#""status" <> 'succeeded'"#);
        }
        if !filter.statuses.is_empty() {
            let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.name()).collect();
            self.next(r#""status" = ANY("#).push_bind(statuses).push(")");
        }
        self.add_scanned(filter);
    }

    /// Adds the conditions that no index has.
    fn add_scanned(&mut self, filter: &AccessFilter) {
        if let Some(server) = &filter.server {
            self.next(r#""server" = "#).push_bind(text(server));
        }
        if let Some(caller) = &filter.caller {
            self.next(r#"("caller" = "#).push_bind(text(caller));
            self.query.push(r#" OR starts_with("caller", "#).push_bind(text(&format!("{caller}@"))).push("))");
        }
        match &filter.weights {
            None => {}
            Some(WeightsFilter::Version(version)) => {
                self.next(r#""weightsVersion" = "#).push_bind(count(*version));
            }
            Some(WeightsFilter::Sha256(begin)) => {
                self.next(r#"starts_with("weightsSha256", "#).push_bind(text(begin)).push(")");
            }
        }
        if !filter.tags.0.is_empty() {
            self.next(r#""tags" @> "#).push_bind(texts(&filter.tags)).push("::text::jsonb");
        }
        if let Some(contained) = &filter.contains {
            let contained = text(contained);
            self.next(r#"(strpos("stderrTail", "#).push_bind(contained.clone());
            self.query.push(r#") > 0 OR strpos("error", "#).push_bind(contained).push(") > 0)");
        }
    }

    /// Adds the conditions of a model. Those of a batch are few, so that its index is used instead of that of the model.
    fn add_model(&mut self, model: &str, version: Option<u64>, is_in_batch: bool) {
        let stored = text(model);
        let is_short = model.chars().nth(INDEXED - 1).is_none();
        if is_in_batch {
            self.next(r#""model" = "#).push_bind(stored);
        } else if is_short && version.is_none() {
            // One condition suffices; two would mislead the planner.
            self.next(r#"left("model", 200) = "#).push_bind(stored);
        } else {
            self.next(r#"left("model", 200) = left("#).push_bind(stored.clone()).push(", 200)");
            self.next(r#""model" = "#).push_bind(stored);
        }
        if let Some(version) = version {
            self.next(r#""weightsVersion" = "#).push_bind(count(version));
        }
    }
}

/// Returns a time that the server can compare with.
fn time(time: Timestamp) -> Time {
    let earliest = Timestamp::from_second(EARLIEST).unwrap_or(Timestamp::UNIX_EPOCH);
    Time(time.max(earliest))
}
