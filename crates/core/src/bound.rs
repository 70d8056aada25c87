//! Bounds on waits, written as `500ms`, `30s`, `10m`, `2h`, `1d` or `none`.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Maximum duration of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// This duration.
    After(Duration),
    /// Unlimited (`none`).
    Never,
}

/// The text is not a bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a duration; write for example `500ms`, `30s`, `10m`, `2h`, `1d` or `none`")]
pub struct BoundError(String);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Bound {
    /// Returns a bound of this number of seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self::After(Duration::from_secs(seconds))
    }

    /// Returns the duration; none if the wait is unlimited.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::After(duration) => Some(duration),
            Self::Never => None,
        }
    }

    /// Returns when the wait ends if it begins at `from`; none if it is unlimited or beyond the range of the clock.
    #[must_use]
    pub fn deadline(self, from: Instant) -> Option<Instant> {
        self.duration().and_then(|bound| from.checked_add(bound))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::After(duration) = self else { return f.write_str("none") };
        let millis = duration.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        let (unit, size) =
            UNITS.iter().rev().find(|(_, size)| millis.is_multiple_of(u128::from(*size))).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", millis / u128::from(*size))
    }
}

impl FromStr for Bound {
    type Err = BoundError;

    /// Parses an integer and its unit. Without a unit it is seconds.
    fn from_str(text: &str) -> Result<Self, BoundError> {
        let wrong = || BoundError(text.to_owned());
        let text = text.trim();
        if matches!(text, "none" | "never") {
            return Ok(Self::Never);
        }
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        let unit = if unit.is_empty() { "s" } else { unit };
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        count.checked_mul(*size).map(|millis| Self::After(Duration::from_millis(millis))).ok_or_else(wrong)
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Bound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30s`, or `none`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bound, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Bound, E> {
                Ok(Bound::secs(seconds))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Bound, E> {
                u64::try_from(seconds).map(Bound::secs).map_err(|_| E::custom(BoundError(seconds.to_string())))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_reads_back_as_it_prints() {
        for text in ["500ms", "30s", "10m", "2h", "1d", "none", "0s", "90s"] {
            let bound: Bound = text.parse().expect(text);
            assert_eq!(bound.to_string(), text);
        }
        assert_eq!("60s".parse::<Bound>().expect("60s").to_string(), "1m");
        assert_eq!("45".parse::<Bound>(), Ok(Bound::secs(45)));
    }

    #[test]
    fn what_is_no_bound_is_refused() {
        for text in ["", "s", "-1s", "1.5s", "10 parsecs", "99999999999999999999d", "18446744073709551615d"] {
            assert!(text.parse::<Bound>().is_err(), "{text:?} was accepted");
        }
    }
}
