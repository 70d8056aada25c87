//! The numbers of a report.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mer_core::{Access, AccessKind, KeptProcess, ServerSpec};
use mer_dal::{
    AccessFilter, AccessPages, LatencyGroup, LogSummary, ReportRange, ReportReader, Session, Store, VersionCount,
};
use mer_report::{
    AliasMove, Batch, Latency, List, ModelVersions, Period, Report, Run, ServerHealth, Totals, VersionPeriod,
    WarmProcess,
};

use super::query::PAGE;
use crate::{error::ServiceError, runtime::Runtime, small_pages::SmallPages};

/// Maximum number of periods.
const PERIODS: i64 = 72;
/// Possible lengths of a period, in seconds.
const LENGTHS: [u32; 13] =
    [1, 10, 60, 300, 900, 3600, 7200, 21_600, 43_200, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400];
/// Start of the year 1, the first that accesses can have, in seconds since 1970.
const FIRST_YEAR: i64 = -62_135_596_800;
/// Maximum number of rows of a list.
const ROWS: usize = 20;
/// Maximum number of models and servers in the table of durations.
const LATENCY_ROWS: usize = 40;
/// Maximum number of models with a drawing of their versions.
const MODELS: usize = 12;
/// Maximum number of moves of aliases of a model.
const MOVES: usize = 40;

/// Reads the numbers of the time from `since` to `until`. `kept` are the processes of the resident.
///
/// # Errors
/// The database cannot be read.
pub async fn report(
    runtime: &Runtime,
    since: Timestamp,
    until: Timestamp,
    kept: Vec<KeptProcess>,
) -> Result<Report, ServiceError> {
    let _small = SmallPages::only();
    let range = range(since, until);
    let mut reader = ReportReader::new(range);
    let mut session = runtime.session_drained().await?;
    while !reader.is_over() {
        let read = read(&mut reader, &session).await;
        // What is not counted is read in the same session, unless others have waited for it.
        if read.is_err() || !reader.is_over() || session.should_yield() {
            session.close().await?;
            read?;
            session = runtime.another_session().await?;
        }
    }
    let summary = reader.finish();
    let rest = rest(&session, &range, &summary).await;
    session.close().await?;
    let database = runtime.database().settings().url.to_string();
    Ok(assemble(database, range, summary, rest?, kept))
}

/// Reads for as long as the session may last.
async fn read(reader: &mut ReportReader, session: &Session) -> Result<(), ServiceError> {
    while !reader.is_over() {
        reader.next(session, PAGE).await?;
        if session.should_yield() {
            break;
        }
    }
    Ok(())
}

/// Returns the periods that a time is cut into: they begin at a multiple of their length.
fn range(since: Timestamp, until: Timestamp) -> ReportRange {
    let seconds = until.as_second().saturating_sub(since.as_second()).max(1);
    let fits = |length: &u32| seconds / i64::from(*length) < PERIODS;
    let period_seconds = LENGTHS.into_iter().find(fits).unwrap_or(u32::MAX);
    let length = i64::from(period_seconds);
    let first = (since.as_second().div_euclid(length) * length).max(FIRST_YEAR);
    let periods = (until.as_second() - first).div_euclid(length) + 1;
    ReportRange {
        since: Timestamp::from_second(first).unwrap_or(since),
        period_seconds,
        periods: u32::try_from(periods).unwrap_or(1),
        rows: ROWS,
    }
}

/// What is not counted: the newest failures, servers, and moves of aliases.
struct Rest {
    failed: Vec<Access>,
    servers: Vec<(String, ServerSpec)>,
    moves: BTreeMap<String, Vec<AliasMove>>,
}

async fn rest(store: &Store, range: &ReportRange, summary: &LogSummary) -> Result<Rest, ServiceError> {
    let mut failures = AccessPages::new(AccessFilter {
        limit: ROWS,
        since: Some(range.since),
        until: Some(range.until()),
        kinds: vec![AccessKind::Infer, AccessKind::Train],
        statuses: AccessFilter::FAILURES.to_vec(),
        ..AccessFilter::default()
    });
    let mut failed = Vec::new();
    while !failures.is_over() {
        failed.extend(failures.next(store, PAGE).await?);
    }
    let with_weights: BTreeSet<&str> = summary.versions.iter().map(|count| count.model.as_str()).collect();
    let mut moves = BTreeMap::new();
    for model in store.models().await?.iter().filter(|model| with_weights.contains(model.name.as_str())) {
        let within = |moved: &Timestamp| (range.since..range.until()).contains(moved);
        let of_model = store.alias_moves(model, None).await?.into_iter().filter(|one| within(&one.moved_at));
        let of_model = of_model.map(|one| AliasMove { at: one.moved_at, alias: one.name, version: one.version });
        let mut of_model: Vec<AliasMove> = of_model.collect();
        of_model.sort_by_key(|one| one.at);
        let old = of_model.len().saturating_sub(MOVES);
        moves.insert(model.name.clone(), of_model.split_off(old));
    }
    let servers = store.servers().await?.into_iter().map(|server| (server.name, server.spec)).collect();
    Ok(Rest { failed, servers, moves })
}

fn assemble(database: String, range: ReportRange, summary: LogSummary, rest: Rest, kept: Vec<KeptProcess>) -> Report {
    let mut periods: Vec<Period> =
        (0..range.periods).map(|period| Period { start: range.start(period), requests: 0, failed: 0 }).collect();
    for (period, requests, failed) in &summary.periods {
        if let Some(counted) = periods.get_mut(*period as usize) {
            (counted.requests, counted.failed) = (*requests, *failed);
        }
    }
    let sum = |of: fn(&Period) -> u64| periods.iter().map(of).fold(0_u64, u64::saturating_add);
    let totals =
        Totals { requests: sum(|period| period.requests), failed: sum(|period| period.failed), open: summary.open };
    let batches = summary.batches.into_iter().map(|batch| Batch {
        batch_uid: batch.batch_uid,
        model: batch.model,
        start: batch.start,
        end: batch.end,
        items: batch.items,
        failed: batch.failed,
    });
    let batches: Vec<Batch> = batches.collect();
    let failures = totals.failed.saturating_sub(rest.failed.len() as u64);
    let failures = if rest.failed.len() < ROWS { 0 } else { failures };
    let batches_left_out = summary.batch_count.saturating_sub(batches.len() as u64);
    Report {
        mer_version: env!("CARGO_PKG_VERSION").to_owned(),
        database,
        made_at: Timestamp::now(),
        since: range.since,
        until: range.until(),
        totals,
        periods,
        servers: servers(&rest.servers, &summary.latency),
        models: versions(&summary.versions, rest.moves),
        latency: List::first(summary.latency.into_iter().map(latency).collect(), LATENCY_ROWS),
        warm: List::first(kept.into_iter().map(warm).collect(), ROWS),
        batches: List { rows: batches, left_out: batches_left_out },
        slowest: List::first(summary.slowest.into_iter().map(run).collect(), ROWS),
        failed: List { rows: rest.failed.into_iter().map(run).collect(), left_out: failures },
    }
}

fn latency(group: LatencyGroup) -> Latency {
    Latency {
        model: group.model,
        server: group.server,
        requests: group.count,
        failed: group.failed,
        p50: group.run_ms.p50,
        p90: group.run_ms.p90,
        p99: group.run_ms.p99,
        queue_p90: group.queue_ms.p90,
    }
}

fn warm(process: KeptProcess) -> WarmProcess {
    WarmProcess {
        model: process.model,
        server: process.server,
        state: process.state.to_string(),
        queued: process.queued.into(),
        served: process.served,
        memory_bytes: process.memory_bytes,
    }
}

fn run(access: Access) -> Run {
    Run {
        request_uid: access.request_uid,
        model: access.model,
        server: access.server,
        start: access.start_access,
        status: access.status,
        run_ms: access.run_ms,
        error: access.error,
    }
}

/// Returns every server of the registry, and those that only the log knows.
fn servers(known: &[(String, ServerSpec)], groups: &[LatencyGroup]) -> List<ServerHealth> {
    let server = |name: &str, conn_type: String| ServerHealth {
        server: name.to_owned(),
        conn_type,
        last_reached: None,
        requests: 0,
        unreachable: 0,
    };
    let known = known.iter().map(|(name, spec)| (name.clone(), server(name, spec.conn_type.to_string())));
    let mut servers: BTreeMap<String, ServerHealth> = known.collect();
    for group in groups {
        let server =
            servers.entry(group.server.clone()).or_insert_with(|| server(&group.server, "not registered".to_owned()));
        server.requests = server.requests.saturating_add(group.count);
        server.unreachable = server.unreachable.saturating_add(group.unreachable);
        server.last_reached = server.last_reached.max(group.last_reached);
    }
    List::first(servers.into_values().collect(), LATENCY_ROWS)
}

/// Returns the models with weights, the most requests first.
fn versions(counts: &[VersionCount], mut moves: BTreeMap<String, Vec<AliasMove>>) -> List<ModelVersions> {
    let mut models: BTreeMap<&str, Vec<VersionPeriod>> = BTreeMap::new();
    for VersionCount { model, period, version, count } in counts {
        let part = VersionPeriod { period: *period as usize, version: *version, requests: *count };
        models.entry(model).or_default().push(part);
    }
    let mut models: Vec<ModelVersions> = models
        .into_iter()
        .map(|(model, periods)| ModelVersions {
            model: model.to_owned(),
            periods,
            moves: moves.remove(model).unwrap_or_default(),
        })
        .collect();
    let requests = |model: &ModelVersions| model.periods.iter().map(|part| part.requests).fold(0, u64::saturating_add);
    models.sort_by_key(|model| std::cmp::Reverse(requests(model)));
    List::first(models, MODELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_into_periods_of_round_lengths() {
        let at = |text: &str| -> Timestamp { text.parse().expect(text) };
        let cut = |since, until| {
            let range = range(at(since), at(until));
            (range.since.to_string(), range.period_seconds, range.periods)
        };
        assert_eq!(cut("2026-05-04T12:34:56Z", "2026-05-05T12:34:56Z"), ("2026-05-04T12:00:00Z".to_owned(), 3600, 25));
        assert_eq!(cut("2026-05-04T12:34:56Z", "2026-05-04T12:34:56Z"), ("2026-05-04T12:34:56Z".to_owned(), 1, 1));
        let (first, length, periods) = cut("0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z");
        assert!(first == "0001-01-01T00:00:00Z" && length == u32::MAX && periods <= 75, "{first} {length} {periods}");
        for days in [1_i64, 3, 7, 30, 90, 365, 3000] {
            let until = at("2026-05-04T00:00:00Z");
            let range = range(until - jiff::SignedDuration::from_hours(24 * days), until);
            assert!((2..=74).contains(&range.periods) && range.until() > until, "{days}: {range:?}");
        }
    }
}
