//! How values are written into the cells of a table: for a person on a terminal, or whole.

use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

/// Minimum length of a short uid.
const SHORT_UID: usize = 8;

/// How values are written into cells. On a terminal times are those of the time zone, durations and sizes have fitting units, and
/// uids are as short as they are unique. Elsewhere text is whole, with times in UTC, and the same on every machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellFormat {
    /// The zone of times on a terminal.
    zone: Option<TimeZone>,
    /// Number of characters of a uid on a terminal.
    uid_digits: usize,
}

impl CellFormat {
    /// Writes for a person, with times in this zone.
    pub(super) const fn for_person(zone: TimeZone) -> Self {
        Self { zone: Some(zone), uid_digits: SHORT_UID }
    }

    /// Makes uids as short as these ones are unique.
    pub(super) fn fit_uids(&mut self, uids: impl Iterator<Item = Uuid>) {
        if self.zone.is_some() {
            self.uid_digits = unique_digits(uids.map(|uid| uid.to_string()).collect());
        }
    }

    /// Returns the heading of a column, which names no unit where the cells do.
    pub(super) fn heading(&self, name: &'static str) -> &'static str {
        match (name, &self.zone) {
            (name, None) => name,
            ("ms", Some(_)) => "time",
            ("bytes", Some(_)) => "size",
            (name, Some(_)) => name.strip_suffix(" ms").unwrap_or(name),
        }
    }

    /// Returns a time to the second.
    pub(crate) fn time(&self, time: Timestamp) -> String {
        match &self.zone {
            Some(zone) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            None => format!("{time:.0}"),
        }
    }

    /// Returns a duration in milliseconds, such as `12.3 ms`, `4.5 s` or `1h 02m`.
    pub(crate) fn milliseconds(&self, ms: f64) -> String {
        if self.zone.is_some() { duration(ms) } else { format!("{ms:.3}") }
    }

    /// Returns an age in milliseconds in its largest unit, such as `3h`.
    pub(crate) fn age(&self, ms: f64) -> String {
        let seconds = std::time::Duration::try_from_secs_f64((ms / 1_000.0).max(0.0)).unwrap_or_default().as_secs();
        match (seconds, &self.zone) {
            (0..60, _) | (_, None) => format!("{seconds}s"),
            (60..3600, _) => format!("{}m", seconds / 60),
            (3600..86_400, _) => format!("{}h", seconds / 3600),
            _ => format!("{}d", seconds / 86_400),
        }
    }

    /// Returns a number of bytes, such as `812 B` or `4.2 MiB`.
    pub(crate) fn bytes(&self, bytes: u64) -> String {
        if self.zone.is_some() { size(bytes) } else { bytes.to_string() }
    }

    /// Returns a uid.
    pub(crate) fn uid(&self, uid: Uuid) -> String {
        let mut text = uid.to_string();
        if self.zone.is_some() {
            text.truncate(self.uid_digits);
        }
        text
    }
}

/// Returns how many characters of uids tell them apart, at least [`SHORT_UID`].
fn unique_digits(mut uids: Vec<String>) -> usize {
    uids.sort_unstable();
    uids.dedup();
    let common = |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(one, other)| one == other).count();
    let digits = uids.windows(2).map(|pair| common(pair) + 1).max().unwrap_or(0).max(SHORT_UID);
    // A hyphen at the end says nothing.
    if [9, 14, 19, 24].contains(&digits) { digits + 1 } else { digits }
}

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
    use super::*;

    #[test]
    fn durations_sizes_and_ages_have_fitting_units() {
        let shown =
            [0.04, 12.34, 99.94, 123.4, 999.4, 999.6, 59_900.0, 61_000.0, 3_599_999.0, 3_723_000.0].map(duration);
        assert_eq!(
            shown,
            ["0.0 ms", "12.3 ms", "99.9 ms", "123 ms", "999 ms", "1.0 s", "59.9 s", "1m 01s", "59m 59s", "1h 02m"]
        );
        let shown = [0, 1023, 1024, 1_500_000, 5 << 30, u64::MAX].map(size);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "5.0 GiB", "16777216.0 TiB"]);
        let person = CellFormat::for_person(TimeZone::UTC);
        let ages = [0.0, 59_999.0, 60_000.0, 7_200_000.0, 172_800_000.0].map(|ms| person.age(ms));
        assert_eq!(ages, ["0s", "59s", "1m", "2h", "2d"]);
    }

    #[test]
    fn uids_are_as_short_as_they_are_unique() {
        let digits = |uids: &[&str]| unique_digits(uids.iter().map(|uid| (*uid).to_owned()).collect());
        let one = "01989680-0000-7000-8000-030000000001";
        assert_eq!(digits(&[]), 8);
        assert_eq!(digits(&[one, one]), 8);
        assert_eq!(digits(&[one, "01989690-0000-7000-8000-030000000001"]), 8);
        assert_eq!(digits(&[one, "01989680-1000-7000-8000-030000000001"]), 10);
        assert_eq!(digits(&[one, "01989680-0001-7000-8000-030000000001"]), 13);
        assert_eq!(digits(&[one, "01989680-0000-7000-8000-030000000002", one]), 36);
    }

    #[test]
    fn elsewhere_than_on_a_terminal_text_is_whole() {
        let (whole, uid) = (CellFormat::default(), Uuid::from_u128(7));
        let time: Timestamp = "2026-05-04T12:00:00.9Z".parse().expect("a time");
        assert_eq!((whole.time(time), whole.uid(uid)), ("2026-05-04T12:00:00Z".to_owned(), uid.to_string()));
        assert_eq!((whole.milliseconds(61_000.0), whole.bytes(2048)), ("61000.000".to_owned(), "2048".to_owned()));
        assert_eq!((whole.age(7_200_000.0), whole.heading("run ms")), ("7200s".to_owned(), "run ms"));
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let person = CellFormat::for_person(zone);
        assert_eq!((person.time(time), person.uid(uid)), ("2026-05-04 14:00:00".to_owned(), "00000000".to_owned()));
        assert_eq!((person.heading("run ms"), person.heading("ms"), person.heading("model")), ("run", "time", "model"));
    }
}
