//! Rows of accesses as a person reads them on a terminal: local times, short uids, durations and sizes in fitting units.

use jiff::tz::TimeZone;
use mer_core::Access;
use serde::{Serialize, Serializer};

use crate::{
    errors::CliError,
    ui::{List, TableRow, Ui},
};

/// Writes rows of accesses: for a person on a terminal, or whole.
pub(super) struct AccessRows {
    list: List,
    zone: Option<TimeZone>,
}

impl AccessRows {
    /// Times are shown in this zone, if a person sees them.
    pub(super) fn begin(ui: Ui, zone: TimeZone) -> Self {
        Self { list: ui.begin_list(), zone: ui.screen_columns().map(|_| zone) }
    }

    /// Writes the next rows.
    ///
    /// # Errors
    /// As [`List::add`].
    pub(super) fn add(&mut self, accesses: &[Access]) -> Result<(), CliError> {
        let Some(zone) = &self.zone else { return self.list.add(accesses) };
        let digits = unique_digits(accesses);
        let rows: Vec<ScreenRow> = accesses.iter().map(|access| ScreenRow { access, zone, digits }).collect();
        self.list.add(&rows)
    }
}

/// An access on a terminal.
struct ScreenRow<'a> {
    access: &'a Access,
    zone: &'a TimeZone,
    /// Number of characters of the uid.
    digits: usize,
}

impl Serialize for ScreenRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.access.serialize(serializer)
    }
}

impl TableRow for ScreenRow<'_> {
    const COLUMNS: &'static [&'static str] =
        &["started", "model", "server", "status", "exit", "run", "in", "out", "kind", "caller", "request"];
    const EXPENDABLE: &'static [&'static str] = &["kind", "in", "out", "caller", "exit", "server"];

    fn cells(&self) -> Vec<String> {
        let Self { access, zone, digits } = self;
        let started = access.start_access.to_zoned((*zone).clone());
        let model = &access.model;
        vec![
            started.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            access.weights_version.map_or_else(|| model.clone(), |version| format!("{model}:{version}")),
            access.server.clone(),
            access.status.to_string(),
            access.exit_code.map(|code| code.to_string()).or_else(|| access.signal.clone()).unwrap_or_default(),
            access.run_ms.map(duration).unwrap_or_default(),
            size(access.stdin_bytes),
            size(access.stdout_bytes),
            access.kind.to_string(),
            access.caller.clone(),
            access.request_uid.to_string()[..*digits].to_owned(),
        ]
    }

    fn is_failure(&self) -> bool {
        self.access.status.is_failure()
    }
}

/// Returns how many characters of their uids tell these accesses apart, at least 8.
fn unique_digits(accesses: &[Access]) -> usize {
    let mut uids: Vec<String> = accesses.iter().map(|access| access.request_uid.to_string()).collect();
    uids.sort_unstable();
    uids.dedup();
    let common = |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(one, other)| one == other).count();
    let digits = uids.windows(2).map(|pair| common(pair) + 1).max().unwrap_or(0).max(8);
    // A hyphen at the end says nothing.
    if [9, 14, 19, 24].contains(&digits) { digits + 1 } else { digits }
}

/// A duration such as `12.3 ms`, `4.56 s` or `1h 02m`.
fn duration(ms: f64) -> String {
    let seconds = ms / 1000.0;
    match seconds {
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ if seconds < 59.95 => format!("{seconds:.1} s"),
        _ => {
            let minutes = (seconds / 60.0).floor();
            match minutes {
                _ if minutes < 60.0 => format!("{minutes}m {:02.0}s", (seconds - minutes * 60.0).floor()),
                _ => format!("{}h {:02.0}m", (minutes / 60.0).floor(), minutes % 60.0),
            }
        }
    }
}

/// A size such as `812 B` or `4.2 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        // Shown with one decimal only.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mer_core::Status;
    use mer_testkit::{ended, started};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn durations_and_sizes_have_fitting_units() {
        let shown =
            [0.04, 12.34, 99.94, 123.4, 999.4, 999.6, 59_900.0, 61_000.0, 3_599_999.0, 3_723_000.0].map(duration);
        assert_eq!(
            shown,
            ["0.0 ms", "12.3 ms", "99.9 ms", "123 ms", "999 ms", "1.0 s", "59.9 s", "1m 01s", "59m 59s", "1h 02m"]
        );
        let shown = [0, 1023, 1024, 1_500_000, 5 << 30, u64::MAX].map(size);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "5.0 GiB", "16777216.0 TiB"]);
    }

    #[test]
    fn uids_are_as_short_as_they_are_unique() {
        let uid = |text: &str| started(text.parse::<Uuid>().expect("a uid"), 1, "m", Timestamp::UNIX_EPOCH);
        let one = uid("01989680-0000-7000-8000-030000000001");
        assert_eq!(unique_digits(&[]), 8);
        assert_eq!(unique_digits(&[one.clone(), one.clone()]), 8);
        assert_eq!(unique_digits(&[one.clone(), uid("01989690-0000-7000-8000-030000000001")]), 8);
        assert_eq!(unique_digits(&[one.clone(), uid("01989680-1000-7000-8000-030000000001")]), 10);
        assert_eq!(unique_digits(&[one.clone(), uid("01989680-0001-7000-8000-030000000001")]), 13);
        assert_eq!(unique_digits(&[one.clone(), uid("01989680-0000-7000-8000-030000000002"), one]), 36);
    }

    #[test]
    fn a_row_has_the_time_of_the_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let begun = started(Uuid::nil(), 1, "m", "2026-05-04T12:00:00.9Z".parse().expect("a time"));
        let access = ended(&begun, Status::Failed);
        let row = ScreenRow { access: &access, zone: &zone, digits: 8 };
        assert_eq!(
            row.cells(),
            [
                "2026-05-04 14:00:00",
                "m:7",
                "local",
                "failed",
                "-1",
                "1.2 s",
                "1 B",
                "9.3 GiB",
                "infer",
                "somebody@somewhere",
                "00000000"
            ]
        );
        assert!(row.is_failure());
    }
}
