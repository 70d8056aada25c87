//! Times on the command line: a moment, a day, or how long ago.

use std::{str::FromStr, time::Duration};

use jiff::{
    SignedDuration, Timestamp, Zoned,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};
use mer_core::{Bound, BoundError};

use crate::errors::CliError;

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A moment.
    At(Timestamp),
    /// This long ago.
    Ago(Duration),
    /// A time of the clock on the wall.
    Local(DateTime),
    /// The beginning of the day this many days ago.
    DaysAgo(i64),
}

impl Moment {
    /// Returns the moment, counted back from `now`, with days and clocks of this time zone.
    ///
    /// # Errors
    /// The time does not exist there, because clocks were put forward over it (64).
    pub(crate) fn timestamp(self, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, CliError> {
        match self {
            Self::At(moment) => Ok(moment),
            Self::Ago(duration) => Ok(SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| now.checked_sub(duration).ok())
                .unwrap_or(Timestamp::MIN)),
            Self::Local(time) => local(time, zone),
            Self::DaysAgo(days) => {
                let today = Zoned::new(now, zone.clone()).date();
                let day = today.checked_sub(jiff::Span::new().days(days)).unwrap_or(Date::MIN);
                local(day.into(), zone)
            }
        }
    }
}

/// Returns the moment of a time of the clock. Of two moments with the same time it is the first.
fn local(time: DateTime, zone: &TimeZone) -> Result<Timestamp, CliError> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    // A day is meant, even where it begins at one o'clock.
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) && time.time() != jiff::civil::Time::midnight() {
        let zone = zone.iana_name().unwrap_or("this time zone");
        return Err(CliError::usage(format!(
            "the time {time} does not exist in {zone}: clocks were put forward over it"
        ))
        .hint(format!("add an offset, such as `{time}Z`, or use --utc")));
    }
    Ok(ambiguous.compatible().unwrap_or(if time.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }))
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        match text {
            "now" => return Ok(Self::Ago(Duration::ZERO)),
            "today" => return Ok(Self::DaysAgo(0)),
            "yesterday" => return Ok(Self::DaysAgo(1)),
            _ => {}
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self::At(moment));
        }
        // A `DateTime` is parsed from a longer text too, whose rest would be dropped.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.T ".contains(&byte));
        if is_plain
            && text.len() >= "2026-05-04".len()
            && let Ok(time) = text.parse::<DateTime>()
        {
            return Ok(Self::Local(time));
        }
        // A number alone may be meant as days, as the seconds since 1970, or as a day such as 20260504.
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MomentError);
        }
        match text.parse::<Bound>() {
            Ok(Bound::After(duration)) => Ok(Self::Ago(duration)),
            Ok(Bound::Never) | Err(BoundError { .. }) => Err(MomentError),
        }
    }
}

/// A text that is neither a time nor a duration.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "write a time such as `2026-05-04T12:00` or `2026-05-04T12:00:00Z`, a day such as `2026-05-04` or `yesterday`, or how long \
     ago, such as `2h`"
)]
pub(crate) struct MomentError;

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone")
    }

    #[test]
    fn times_days_and_how_long_ago() {
        let now: Timestamp = "2026-05-04T22:30:00Z".parse().expect("now");
        for (text, utc, local) in [
            ("2026-05-03T01:02:03.5+02:00", "2026-05-02T23:02:03.5Z", "2026-05-02T23:02:03.5Z"),
            ("2026-05-03T01:02:03Z", "2026-05-03T01:02:03Z", "2026-05-03T01:02:03Z"),
            ("2026-05-03", "2026-05-03T00:00:00Z", "2026-05-02T22:00:00Z"),
            ("2026-05-03T12:00", "2026-05-03T12:00:00Z", "2026-05-03T10:00:00Z"),
            ("2026-05-03 12:00:30", "2026-05-03T12:00:30Z", "2026-05-03T10:00:30Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z", "0000-12-31T23:00:00Z"),
            ("9999-12-31", "9999-12-30T22:00:00.999999999Z", "9999-12-30T22:00:00.999999999Z"),
            ("today", "2026-05-04T00:00:00Z", "2026-05-04T22:00:00Z"),
            ("yesterday", "2026-05-03T00:00:00Z", "2026-05-03T22:00:00Z"),
            ("now", "2026-05-04T22:30:00Z", "2026-05-04T22:30:00Z"),
            ("2h", "2026-05-04T20:30:00Z", "2026-05-04T20:30:00Z"),
            ("90d", "2026-02-03T22:30:00Z", "2026-02-03T22:30:00Z"),
            ("9999999999d", "-009999-01-02T01:59:59Z", "-009999-01-02T01:59:59Z"),
        ] {
            let moment = text.parse::<Moment>().expect(text);
            let shown = |zone: &TimeZone| moment.timestamp(now, zone).expect(text).to_string();
            assert_eq!((shown(&TimeZone::UTC).as_str(), shown(&berlin()).as_str()), (utc, local), "{text}");
        }
        for text in [
            "",
            "none",
            "tomorrow",
            "2026-13-01",
            "2026-02-30",
            "2026-05-03T25:00",
            "2026-05-03T01:02:03+99:00",
            "12:00",
            "2026-05-03T01:02[Nowhere/Land]",
            "90",
            "0",
            "20260504",
            "1777933800",
            "5y",
            "-2h",
            "1e9",
            "２h",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_over_which_clocks_were_put_is_refused_and_of_two_it_is_the_first() {
        let at = |text: &str| text.parse::<Moment>().expect(text).timestamp(Timestamp::UNIX_EPOCH, &berlin());
        let error = at("2026-03-29T02:30").expect_err("it does not exist");
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains("2026-03-29T02:30:00 does not exist"), "{error}");
        assert_eq!(at("2026-10-25T02:30").expect("twice").to_string(), "2026-10-25T00:30:00Z");
        // In Cairo a day of summer time began at one o'clock.
        let cairo = TimeZone::posix("EET-2EEST,M4.5.5/0,M10.5.4/24").expect("a zone");
        let day = "2026-04-24".parse::<Moment>().expect("a day").timestamp(Timestamp::UNIX_EPOCH, &cairo);
        assert_eq!(day.expect("a day").to_string(), "2026-04-23T22:00:00Z");
    }
}
