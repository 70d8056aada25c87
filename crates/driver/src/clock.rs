//! Checks the clock of this machine: times before 1970 and after 9999 cannot be recorded.

use std::time::{Duration, SystemTime};

use crate::errors::CliError;

/// 9999-12-29T00:00:00Z, in seconds since 1970. Later times are out of range for a database or for arithmetic on times.
const LAST: Duration = Duration::from_secs(253_402_041_600);

/// Refuses to work with a clock that is certainly wrong.
///
/// # Errors
/// It is before 1970 or after 9999 (78).
pub(crate) fn check() -> Result<(), CliError> {
    check_at(SystemTime::now())
}

fn check_at(now: SystemTime) -> Result<(), CliError> {
    let when = match now.duration_since(SystemTime::UNIX_EPOCH) {
        Err(_) => "before 1970",
        Ok(since) if since >= LAST => "after 9999",
        Ok(_) => return Ok(()),
    };
    Err(CliError::config(format!("the clock of this machine is wrong: it is {when}"))
        .hint("set it (`timedatectl`, `date -s`): every access is recorded with its time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_away_is_told_and_is_no_bug() {
        let second = Duration::from_secs(1);
        let at = |since: Duration| check_at(SystemTime::UNIX_EPOCH + since).map_err(|error| error.exit_code());
        assert_eq!(at(Duration::ZERO), Ok(()));
        assert_eq!(at(LAST - second), Ok(()));
        assert!(i64::try_from(LAST.as_secs()).is_ok_and(|last| last + 86_400 < jiff::Timestamp::MAX.as_second()));
        assert_eq!(at(LAST), Err(78));
        assert_eq!(check_at(SystemTime::UNIX_EPOCH - second).map_err(|error| error.exit_code()), Err(78));
        assert!(check().is_ok());
    }
}
