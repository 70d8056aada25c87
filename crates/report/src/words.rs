//! Numbers and times as people read them.

use jiff::{Timestamp, tz::TimeZone};

/// Returns milliseconds as a duration with two or three digits, such as `1.5 s`.
pub(crate) fn duration(ms: f64) -> String {
    let (value, unit) = match ms {
        ms if ms < 1000.0 => (ms, "ms"),
        ms if ms < 60_000.0 => (ms / 1000.0, "s"),
        ms if ms < 3_600_000.0 => (ms / 60_000.0, "min"),
        ms if ms < 86_400_000.0 => (ms / 3_600_000.0, "h"),
        ms => (ms / 86_400_000.0, "d"),
    };
    let digits = if value < 10.0 { 1 } else { 0 };
    format!("{value:.digits$} {unit}")
}

/// The same where it is known.
pub(crate) fn duration_or_dash(ms: Option<f64>) -> String {
    ms.map_or_else(|| "–".to_owned(), duration)
}

/// Returns a count with a separator at the thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a size in decimal units.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            let digits = usize::from(value < 10.0 && unit != "B");
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// Returns the share of a part in percent.
pub(crate) fn share(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let percent = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.1 => "< 0.1 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// Returns a time of a time zone to the minute.
pub(crate) fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 9.94, 999.4, 1500.0, 90_000.0, 7.2e6, 2.0e8].map(duration).join(", "), {
            "0.0 ms, 9.9 ms, 999 ms, 1.5 s, 1.5 min, 2.0 h, 2.3 d"
        });
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([7, 1500, 20_000_000].map(size), ["7 B", "1.5 kB", "20 MB"]);
        assert_eq!(size(u64::MAX), "18446744.1 TB");
        assert_eq!(
            [(0, 0), (1, 1_000_000), (1, 30), (1, 2)].map(|(part, whole)| share(part, whole)),
            ["0 %", "< 0.1 %", "3.3 %", "50 %"]
        );
    }
}
