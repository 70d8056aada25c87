//! Statistics of the log.

use sqlx::{QueryBuilder, postgres::PgRow};

use super::{
    PostgresStore,
    access_counts::{FAILED, ITEMS, OPEN, QUANTILES},
    access_query::Conditions,
    call::call,
    rows::get,
};
use crate::{AccessFilter, DalError, Quantiles, StatsBy, StatsKey, StatsRow};

/// What is counted beside items and durations.
const COUNTS: &str = r#"
    least(coalesce(sum("items") FILTER (WHERE "items" > 1 AND "runMs" IS NOT NULL), 0), 9223372036854775807)::bigint
        AS "partItems",
    coalesce(sum("runMs") FILTER (WHERE "items" > 1), 0) AS "partMs",
    least(sum("stdinBytes"), 9223372036854775807)::bigint AS "stdinBytes",
    least(sum("stdoutBytes"), 9223372036854775807)::bigint AS "stdoutBytes"
FROM "ModelAccess""#;

/// Returns the columns of a key: period, name, version.
const fn key(by: StatsBy) -> [&'static str; 3] {
    const NO_PERIOD: &str = "NULL::bigint";
    const NO_NAME: &str = "NULL::text";
    const NO_VERSION: &str = "NULL::bigint";
    match by {
        StatsBy::All => [NO_PERIOD, NO_NAME, NO_VERSION],
        StatsBy::Model => [NO_PERIOD, r#""model""#, NO_VERSION],
        StatsBy::Server => [NO_PERIOD, r#""server""#, NO_VERSION],
        StatsBy::Version => [NO_PERIOD, r#""model""#, r#""weightsVersion""#],
        StatsBy::Caller => [NO_PERIOD, r#""caller""#, NO_VERSION],
        StatsBy::Status => [NO_PERIOD, r#""status""#, NO_VERSION],
        StatsBy::Hour => [r#"floor(extract(epoch FROM "startAccess") / 3600)::bigint"#, NO_NAME, NO_VERSION],
        StatsBy::Day => [r#"floor(extract(epoch FROM "startAccess") / 86400)::bigint"#, NO_NAME, NO_VERSION],
    }
}

impl PostgresStore {
    /// Returns the groups in no order.
    pub(crate) async fn stats(&self, filter: &AccessFilter, by: StatsBy) -> Result<Vec<StatsRow>, DalError> {
        let [period, name, version] = key(by);
        let rows: Vec<PgRow> = call!(self.server(), "count the accesses", |connection| {
            let mut query = QueryBuilder::new(format!(
                r#"SELECT {period} AS "period", {name} AS "name", {version} AS "version", {ITEMS} AS "count",
                {FAILED} AS "failed", {OPEN} AS "open", {QUANTILES}, {COUNTS}"#
            ));
            Conditions::new(&mut query).add_filter(filter);
            query.push(r#" GROUP BY 1, 2, 3"#);
            self.built(&mut query).fetch_all(&mut *connection).await
        });
        rows.iter().map(row).collect()
    }
}

fn row(row: &PgRow) -> Result<StatsRow, DalError> {
    const TABLE: &str = "ModelAccess";
    let count = |column: &str| get::<i64>(TABLE, row, column).map(i64::cast_unsigned);
    Ok(StatsRow {
        key: StatsKey {
            period: get(TABLE, row, "period")?,
            name: get(TABLE, row, "name")?,
            version: get::<Option<i64>>(TABLE, row, "version")?.map(i64::cast_unsigned),
        },
        count: count("count")?,
        failed: count("failed")?,
        open: count("open")?,
        run_ms: Quantiles::of_sql(get::<Option<Vec<Option<f64>>>>(TABLE, row, "runMs")?.as_deref()),
        queue_ms: Quantiles::of_sql(get::<Option<Vec<Option<f64>>>>(TABLE, row, "queueMs")?.as_deref()),
        part_items: count("partItems")?,
        part_ms: get(TABLE, row, "partMs")?,
        stdin_bytes: count("stdinBytes")?,
        stdout_bytes: count("stdoutBytes")?,
    })
}
