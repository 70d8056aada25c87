//! Checks of values in records. Records from a file or another database are checked before they are stored, so that every
//! command can rely on them.

use jiff::Timestamp;
use thiserror::Error;

use crate::check_known_name;

/// Maximum number of a version, and of other things that count from 1, in a record from outside. Every JSON parser keeps
/// numbers up to this one exactly. New versions may go beyond it: the numbers of the databases end much later.
pub const MOST_COUNTED: u64 = (1 << 53) - 1;

/// Maximum duration in milliseconds: ten thousand years, the range of dates.
const MAX_MS: f64 = 315_576_000_000_000.0;

/// Seconds since 1970 at the beginning of the years 1 and 9999. Outside of them a year may have more or less than four digits
/// after a change of time zone, an addition or rounding.
const YEARS: std::ops::Range<i64> = -62_135_596_800..253_370_764_800;

/// A field of a record has a value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {what}")]
pub struct Invalid {
    /// Name of the field in JSON.
    pub field: &'static str,
    /// What is wrong with its value.
    pub what: String,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, what: impl Into<String>) -> Self {
        Self { field, what: what.into() }
    }
}

/// Checks the name of something that exists or existed, with [`check_known_name`].
///
/// # Errors
/// It is not a valid name.
pub fn check_known(field: &'static str, text: &str) -> Result<(), Invalid> {
    check_known_name(text).map_err(|error| Invalid::new(field, format!("is not a valid name: {error}")))
}

/// Checks the number of something that counts from 1, such as a version.
///
/// # Errors
/// It is 0, or greater than [`MOST_COUNTED`].
pub fn check_counted(field: &'static str, number: u64) -> Result<(), Invalid> {
    if (1..=MOST_COUNTED).contains(&number) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("is {number}, and its values are 1 to {MOST_COUNTED}")))
}

/// Checks that the year of a time has four digits.
pub(crate) fn time(field: &'static str, time: Timestamp) -> Result<(), Invalid> {
    if YEARS.contains(&time.as_second()) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("is {time}, and times are from the year 1 to the year 9998")))
}

/// Checks that the databases can hold a number of bytes.
pub(crate) fn bytes(field: &'static str, number: u64) -> Result<(), Invalid> {
    if i64::try_from(number).is_ok() {
        return Ok(());
    }
    Err(Invalid::new(field, format!("is {number}, and the databases count to {}", i64::MAX)))
}

/// Checks a duration in milliseconds.
pub(crate) fn millis(field: &'static str, ms: Option<f64>) -> Result<(), Invalid> {
    match ms {
        Some(ms) if !(0.0..=MAX_MS).contains(&ms) => {
            Err(Invalid::new(field, format!("is {ms:e}, and durations are 0 to {MAX_MS:e} milliseconds")))
        }
        _ => Ok(()),
    }
}

/// Checks a sha256: 64 hexadecimal digits in lower case.
///
/// # Errors
/// It is not a sha256.
pub fn check_sha256(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(Invalid::new(field, "is not a sha256: 64 hexadecimal digits in lower case"))
}

/// Checks a uid that a database generated.
pub(crate) fn uid(field: &'static str, text: &str) -> Result<(), Invalid> {
    match uuid::Uuid::try_parse(text) {
        Ok(uid) if uid.hyphenated().to_string() == text => Ok(()),
        _ => Err(Invalid::new(field, "is not a uid such as `01890a5d-ac96-774b-bcce-b302099a8057`")),
    }
}

#[cfg(test)]
mod tests;
