//! `mer log`.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date};
use mer_core::{AccessKind, Bound, BoundError};
use uuid::Uuid;

/// Commands of `mer log`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LogVerb {
    /// List runs and trainings, newest first
    #[command(visible_alias = "ls")]
    List(LogListArgs),
    /// Show one access with all that is known of it
    Show(LogShowArgs),
    /// Move the records in this machine's journal into the database, as `mer log list` and `show` do too
    Drain(LogDrainArgs),
}

/// Arguments of `mer log list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogListArgs {
    /// Maximum number of rows
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// Only accesses of this model, or of one version of its weights
    #[arg(long, value_name = "MODEL[:VERSION|@ALIAS]")]
    pub(crate) model: Option<String>,

    /// Only the parts and items of this batch
    #[arg(long, value_name = "UID")]
    pub(crate) batch: Option<Uuid>,

    /// Only accesses that began since: a time such as 2026-05-04T12:00:00Z, a day, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,

    /// Only accesses of these kinds: infer, train, ping (pings, and the checks of `mer doctor`), load (starts without a request), all
    #[arg(
        long = "kind",
        value_name = "KIND",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true,
        default_values_t = [KindArg::Infer, KindArg::Train],
        hide_default_value = true
    )]
    pub(crate) kinds: Vec<KindArg>,
}

/// A value of `--kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// Runs.
    Infer,
    /// Trainings.
    Train,
    /// Pings and the checks of `mer doctor`.
    Ping,
    /// Starts of processes that were kept without a request.
    Load,
    /// All of them.
    All,
}

impl LogListArgs {
    /// Returns the kinds to list; empty for all.
    pub(crate) fn kinds(&self) -> Vec<AccessKind> {
        let kind = |kind: &KindArg| match kind {
            KindArg::Infer => Some(AccessKind::Infer),
            KindArg::Train => Some(AccessKind::Train),
            KindArg::Ping => Some(AccessKind::Ping),
            KindArg::Load => Some(AccessKind::Load),
            KindArg::All => None,
        };
        self.kinds.iter().map(kind).collect::<Option<Vec<AccessKind>>>().unwrap_or_default()
    }
}

/// Arguments of `mer log drain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogDrainArgs {
    /// Also records made for this database when it had this address; `mer doctor` and `mer log list` name it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Vec<String>,
}

/// Arguments of `mer log show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogShowArgs {
    /// The requestUid, or its beginning; the newest run or training if it is left out
    #[arg(value_name = "UID")]
    pub(crate) uid: Option<String>,
}

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// A moment.
    At(Timestamp),
    /// This long ago.
    Ago(std::time::Duration),
}

impl Since {
    /// Returns the moment, counted back from `now`.
    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(duration) => jiff::SignedDuration::try_from(duration)
                .ok()
                .and_then(|d| now.checked_sub(d).ok())
                .unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for Since {
    type Err = SinceError;

    fn from_str(text: &str) -> Result<Self, SinceError> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self::At(moment));
        }
        // `Date` also parses the date of a longer text; of a time without a zone it would drop the time.
        if text.len() == 10
            && let Ok(date) = text.parse::<Date>()
            && let Ok(midnight) = date.to_zoned(jiff::tz::TimeZone::UTC)
        {
            return Ok(Self::At(midnight.timestamp()));
        }
        match text.parse::<Bound>() {
            Ok(Bound::After(duration)) => Ok(Self::Ago(duration)),
            Ok(Bound::Never) | Err(BoundError { .. }) => Err(SinceError(text.to_owned())),
        }
    }
}

/// A text that is neither a time nor a duration.
#[derive(Debug, Clone, thiserror::Error)]
#[error("write a time such as `2026-05-04T12:00:00Z`, a day (UTC) such as `2026-05-04`, or how long ago, such as `2h`")]
pub(crate) struct SinceError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_how_long_ago() {
        let now: Timestamp = "2026-05-04T12:00:00Z".parse().expect("now");
        for (text, moment) in [
            ("2026-05-03T01:02:03.5+02:00", "2026-05-02T23:02:03.5Z"),
            ("2026-05-03", "2026-05-03T00:00:00Z"),
            ("2h", "2026-05-04T10:00:00Z"),
            ("90", "2026-05-04T11:58:30Z"),
        ] {
            assert_eq!(text.parse::<Since>().expect(text).moment(now).to_string(), moment);
        }
        for text in ["", "none", "yesterday", "2026-13-01", "2026-05-03T01:02:03"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
