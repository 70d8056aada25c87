//! `mer log stats`.

use jiff::Timestamp;
use mer_dal::{Quantiles, StatsBy, StatsRow};
use mer_service::log::{self, CsvLines};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::filter;
use crate::{
    app::App,
    cli::LogStatsArgs,
    errors::CliError,
    ui::{CellFormat, Format, Ui},
};

/// Counts accesses by group.
pub(super) async fn stats(app: &App, args: &LogStatsArgs, ui: Ui) -> Result<(), CliError> {
    let filter = filter::recent(app, &args.filter, ui).await?;
    let by = args.by();
    let rows = log::stats(&app.runtime, filter, by).await?;
    let views: Vec<StatsView> = rows.into_iter().map(|row| StatsView { by, row }).collect();
    if args.csv {
        let keys: Vec<&str> = views_columns(by).collect();
        let mut lines = CsvLines::with_columns(keys);
        views.iter().for_each(|view| view.csv(&mut lines));
        return ui.data(&lines.take());
    }
    match ui.format() {
        Format::Json => ui.objects(&views),
        Format::Text => {
            let columns: Vec<&'static str> = group_name(by).into_iter().chain(COLUMNS).collect();
            ui.table(&columns, &EXPENDABLE, |format| views.iter().map(|view| view.cells(format)).collect())
        }
        Format::Quiet => Ok(()),
    }
}

/// Headings for people, behind that of the group.
const COLUMNS: [&str; 12] = [
    "count",
    "failed",
    "open",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "max ms",
    "queue p50",
    "queue p99",
    "items/s",
    "in",
    "out",
];

/// Headings that are left out first where a row does not fit.
const EXPENDABLE: [&str; 8] = ["out", "in", "items/s", "queue p99", "queue p50", "max ms", "p90 ms", "open"];

/// Fields behind those of the group.
const FIELDS: [&str; 14] = [
    "count",
    "failed",
    "open",
    "runMsP50",
    "runMsP90",
    "runMsP99",
    "runMsMax",
    "queueMsP50",
    "queueMsP90",
    "queueMsP99",
    "queueMsMax",
    "itemsPerSecond",
    "stdinBytes",
    "stdoutBytes",
];

/// The group's name in the heading.
const fn group_name(by: StatsBy) -> Option<&'static str> {
    match by {
        StatsBy::All => None,
        StatsBy::Model | StatsBy::Version => Some("model"),
        StatsBy::Server => Some("server"),
        StatsBy::Caller => Some("caller"),
        StatsBy::Status => Some("status"),
        StatsBy::Hour => Some("hour"),
        StatsBy::Day => Some("day"),
    }
}

/// All fields of a row.
fn views_columns(by: StatsBy) -> impl Iterator<Item = &'static str> {
    let version = (by == StatsBy::Version).then_some("weightsVersion");
    group_name(by).into_iter().chain(version).chain(FIELDS)
}

/// A row of statistics.
struct StatsView {
    by: StatsBy,
    row: StatsRow,
}

impl StatsView {
    /// The beginning of the period.
    fn period(&self) -> Option<Timestamp> {
        let seconds = self.row.key.period?.checked_mul(self.by.seconds()?)?;
        Timestamp::from_second(seconds).ok()
    }

    /// The durations, in the order of the fields.
    fn durations(&self) -> [Option<f64>; 8] {
        let of = |Quantiles { p50, p90, p99, max }| [p50, p90, p99, max];
        let ([a, b, c, d], [e, f, g, h]) = (of(self.row.run_ms), of(self.row.queue_ms));
        [a, b, c, d, e, f, g, h]
    }

    fn group(&self) -> Option<String> {
        let key = &self.row.key;
        match self.by {
            StatsBy::All => None,
            StatsBy::Hour => self.period().map(|hour| hour.to_string()),
            StatsBy::Day => self.period().map(|day| day.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()),
            _ => {
                let name = key.name.clone().unwrap_or_default();
                Some(key.version.map_or_else(|| name.clone(), |version| format!("{name}:{version}")))
            }
        }
    }

    /// One cell for each heading.
    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let row = &self.row;
        let ms = |ms: Option<f64>| ms.map(|ms| format.milliseconds(ms)).unwrap_or_default();
        let [p50, p90, p99, max, queue_p50, _, queue_p99, _] = self.durations().map(ms);
        let mut cells: Vec<String> = self.group().into_iter().collect();
        cells.extend([row.count, row.failed, row.open].map(|count| count.to_string()));
        cells.extend([p50, p90, p99, max, queue_p50, queue_p99]);
        cells.push(row.items_per_second().map(|rate| format!("{rate:.1}")).unwrap_or_default());
        cells.extend([row.stdin_bytes, row.stdout_bytes].map(|bytes| format.bytes(bytes)));
        cells
    }

    fn csv(&self, lines: &mut CsvLines) {
        let row = &self.row;
        match self.by {
            StatsBy::All => {}
            StatsBy::Hour | StatsBy::Day => lines.time(self.period()),
            _ => lines.text(row.key.name.as_deref()),
        }
        if self.by == StatsBy::Version {
            lines.value(row.key.version);
        }
        for count in [row.count, row.failed, row.open] {
            lines.value(Some(count));
        }
        for ms in self.durations().into_iter().chain([row.items_per_second()]) {
            lines.decimal(ms);
        }
        for bytes in [row.stdin_bytes, row.stdout_bytes] {
            lines.value(Some(bytes));
        }
        lines.end_line();
    }
}

impl Serialize for StatsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = &self.row;
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = group_name(self.by) {
            match self.by.seconds() {
                Some(_) => map.serialize_entry(name, &self.period().map(|time| format!("{time:.6}")))?,
                None => map.serialize_entry(name, &row.key.name)?,
            }
        }
        if self.by == StatsBy::Version {
            map.serialize_entry("weightsVersion", &row.key.version)?;
        }
        let [count, failed, open, ms @ .., rate, stdin, stdout] = FIELDS;
        for (field, value) in [(count, row.count), (failed, row.failed), (open, row.open)] {
            map.serialize_entry(field, &value)?;
        }
        for (field, value) in ms.into_iter().zip(self.durations()) {
            map.serialize_entry(field, &value)?;
        }
        map.serialize_entry(rate, &row.items_per_second())?;
        map.serialize_entry(stdin, &row.stdin_bytes)?;
        map.serialize_entry(stdout, &row.stdout_bytes)?;
        map.end()
    }
}
