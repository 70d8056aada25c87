//! Which values a record may have. Whatever comes from outside, a file or another database, is held against these rules before
//! it becomes a record: then every command can work with it.

use jiff::Timestamp;
use thiserror::Error;

use crate::check_known_name;

/// The greatest number that a version of weights may be said to have, and the greatest count: what every reader of JSON
/// keeps exactly. Later versions count on from there, far away from where the databases' own numbers end.
pub const MOST_COUNTED: u64 = (1 << 53) - 1;

/// Ten thousand years, in milliseconds: the whole time that dates can tell of.
const LONGEST_MS: f64 = 315_576_000_000_000.0;

/// The seconds at which the years 1 and 9999 begin. Before and after, dates have no four digits, or a time zone, a day added
/// or a rounding leads to one that does not.
const YEARS: std::ops::Range<i64> = -62_135_596_800..253_370_764_800;

/// A value that no record of its kind has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {what}")]
pub struct Invalid {
    /// The field, as it is called in JSON.
    pub field: &'static str,
    /// What is wrong with its value.
    pub what: String,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, what: impl Into<String>) -> Self {
        Self { field, what: what.into() }
    }
}

/// Checks a name that something has, or had.
///
/// # Errors
/// It can be none.
pub fn check_known(field: &'static str, text: &str) -> Result<(), Invalid> {
    check_known_name(text).map_err(|error| Invalid::new(field, format!("is no name: {error}")))
}

/// Checks a number of things that count from 1, such as versions.
///
/// # Errors
/// It is 0, or greater than [`MOST_COUNTED`].
pub fn check_counted(field: &'static str, number: u64) -> Result<(), Invalid> {
    if (1..=MOST_COUNTED).contains(&number) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("is {number}, and its values are 1 to {MOST_COUNTED}")))
}

/// A time whose year has four digits.
pub(crate) fn time(field: &'static str, time: Timestamp) -> Result<(), Invalid> {
    if YEARS.contains(&time.as_second()) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("is {time}, and times are from the year 1 to the year 9998")))
}

/// A number of bytes that the databases hold.
pub(crate) fn bytes(field: &'static str, number: u64) -> Result<(), Invalid> {
    if i64::try_from(number).is_ok() {
        return Ok(());
    }
    Err(Invalid::new(field, format!("is {number}, and the databases count to {}", i64::MAX)))
}

/// A duration in milliseconds.
pub(crate) fn millis(field: &'static str, ms: Option<f64>) -> Result<(), Invalid> {
    match ms {
        Some(ms) if !(0.0..=LONGEST_MS).contains(&ms) => {
            Err(Invalid::new(field, format!("is {ms:e}, and durations are 0 to {LONGEST_MS:e} milliseconds")))
        }
        _ => Ok(()),
    }
}

/// Checks a sha256: 64 hexadecimal digits, the letters small.
///
/// # Errors
/// It is none.
pub fn check_sha256(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Invalid::new(field, "is no sha256: that has 64 hexadecimal digits in small letters"))
}

/// A uid that the database makes.
pub(crate) fn uid(field: &'static str, text: &str) -> Result<(), Invalid> {
    match uuid::Uuid::try_parse(text) {
        Ok(uid) if uid.hyphenated().to_string() == text => Ok(()),
        _ => Err(Invalid::new(field, "is no uid such as `01890a5d-ac96-774b-bcce-b302099a8057`")),
    }
}

#[cfg(test)]
mod tests;
