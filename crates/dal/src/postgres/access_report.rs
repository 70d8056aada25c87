//! The counts of a report.

use sqlx::{Decode, Postgres, QueryBuilder, Type, postgres::PgRow};

use super::{
    PostgresStore,
    access_counts::{FAILED, ITEMS, OPEN, QUANTILES},
    access_query::Conditions,
    call::call,
    rows::{access, access_columns, get},
    wire_types::{Id, Time},
};
use crate::{AccessFilter, BatchCount, DalError, LatencyGroup, LogSummary, Quantiles, ReportRange, VersionCount};

const TABLE: &str = "ModelAccess";
const OPERATION: &str = "count the accesses of a report";

/// What is counted of a model on a server beside items and durations.
const SERVER: &str = r#"
    count(*) FILTER (WHERE "status" = 'unreachable') AS "unreachable",
    max("startAccess") FILTER (WHERE "status" <> 'unreachable') AS "lastReached""#;

impl PostgresStore {
    /// Counts the accesses of a range, which the filter selects.
    pub(crate) async fn report(&self, range: &ReportRange, filter: &AccessFilter) -> Result<LogSummary, DalError> {
        let period = format!(
            r#"floor((extract(epoch FROM "startAccess") - {}) / {})::bigint"#,
            range.since.as_microsecond() as f64 / 1e6,
            range.period_seconds
        );
        let columns = format!(r#"{period} AS "period", {ITEMS} AS "count", {FAILED} AS "failed", {OPEN} AS "open""#);
        let periods = self.counted(&columns, filter, None, "GROUP BY 1 ORDER BY 1").await?;
        let columns = format!(r#""model", "server", {ITEMS} AS "count", {FAILED} AS "failed", {SERVER}, {QUANTILES}"#);
        let latency = self.counted(&columns, filter, None, "GROUP BY 1, 2").await?;
        let columns = format!(r#""model", {period} AS "period", "weightsVersion", {ITEMS} AS "count""#);
        let with_weights = r#""weightsVersion" IS NOT NULL"#;
        let end = r#"GROUP BY 1, 2, 3 ORDER BY "model" COLLATE "C", 2, 3"#;
        let versions = self.counted(&columns, filter, Some(with_weights), end).await?;
        let columns = format!(
            r#""batchUid", min("model") AS "model", min("startAccess") AS "start", max("stopAccess") AS "end",
            {ITEMS} AS "count", {FAILED} AS "failed", count(*) OVER () AS "batches""#
        );
        let end = format!(r#"GROUP BY "batchUid" ORDER BY 3 DESC, 1 DESC LIMIT {}"#, range.rows);
        let batches = self.counted(&columns, filter, Some(r#""batchUid" IS NOT NULL"#), &end).await?;
        let end = format!(r#"ORDER BY "runMs" DESC, "requestUid", "attempt" LIMIT {}"#, range.rows);
        let single = r#"coalesce("items", 1) = 1 AND "runMs" IS NOT NULL"#;
        let slowest = self.counted(access_columns!(), filter, Some(single), &end).await?;

        let mut latency: Vec<LatencyGroup> = latency.iter().map(latency_group).collect::<Result<_, _>>()?;
        latency.sort_by(LatencyGroup::more_first);
        let counts = |row: &PgRow| Ok((number(row, "period")?, count(row, "count")?, count(row, "failed")?));
        let mut open = 0_u64;
        for row in &periods {
            open = open.saturating_add(count(row, "open")?);
        }
        Ok(LogSummary {
            periods: periods.iter().map(counts).collect::<Result<_, DalError>>()?,
            open,
            latency,
            versions: versions.iter().map(version_count).collect::<Result<_, _>>()?,
            batch_count: batches.first().map_or(Ok(0), |row| count(row, "batches"))?,
            batches: batches.iter().map(batch_count).collect::<Result<_, _>>()?,
            slowest: slowest.iter().map(access).collect::<Result<_, _>>()?,
        })
    }

    /// Selects columns of the accesses of a filter that meet a further condition.
    async fn counted(
        &self,
        columns: &str,
        filter: &AccessFilter,
        condition: Option<&str>,
        end: &str,
    ) -> Result<Vec<PgRow>, DalError> {
        Ok(call!(self.server(), OPERATION, |connection| {
            let mut query = QueryBuilder::new(format!(r#"SELECT {columns} FROM "ModelAccess""#));
            Conditions::new(&mut query).add_filter(filter);
            // The filter has a time at least.
            if let Some(condition) = condition {
                query.push(" AND ").push(condition);
            }
            query.push(" ").push(end);
            self.built(&mut query).fetch_all(&mut *connection).await
        }))
    }
}

fn field<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: &str) -> Result<T, DalError> {
    get(TABLE, row, column)
}

fn count(row: &PgRow, column: &str) -> Result<u64, DalError> {
    field::<i64>(row, column).map(i64::cast_unsigned)
}

fn number(row: &PgRow, column: &str) -> Result<u32, DalError> {
    Ok(u32::try_from(field::<i64>(row, column)?).unwrap_or(0))
}

fn latency_group(row: &PgRow) -> Result<LatencyGroup, DalError> {
    Ok(LatencyGroup {
        model: field(row, "model")?,
        server: field(row, "server")?,
        count: count(row, "count")?,
        failed: count(row, "failed")?,
        unreachable: count(row, "unreachable")?,
        run_ms: Quantiles::of_sql(field::<Option<Vec<Option<f64>>>>(row, "runMs")?.as_deref()),
        queue_ms: Quantiles::of_sql(field::<Option<Vec<Option<f64>>>>(row, "queueMs")?.as_deref()),
        last_reached: field::<Option<Time>>(row, "lastReached")?.map(|time| time.0),
    })
}

fn version_count(row: &PgRow) -> Result<VersionCount, DalError> {
    Ok(VersionCount {
        model: field(row, "model")?,
        period: number(row, "period")?,
        version: count(row, "weightsVersion")?,
        count: count(row, "count")?,
    })
}

fn batch_count(row: &PgRow) -> Result<BatchCount, DalError> {
    Ok(BatchCount {
        batch_uid: field::<Id>(row, "batchUid")?.0,
        model: field(row, "model")?,
        start: field::<Time>(row, "start")?.0,
        end: field::<Option<Time>>(row, "end")?.map(|time| time.0),
        items: count(row, "count")?,
        failed: count(row, "failed")?,
    })
}
