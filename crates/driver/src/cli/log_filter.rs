//! Which accesses of the log a command is about.

use clap::{Args, ValueEnum};
use mer_core::{AccessKind, FailureKind, Status, Tags};
use mer_dal::{AccessFilter, WeightsFilter};
use uuid::Uuid;

use super::{moment::Moment, request_values};
use crate::errors::CliError;

/// Maximum number of bytes of a text to filter by: longer than any text that is searched, and than any name.
const MOST_BYTES: usize = 64 * 1024;

/// Number of digits from which on `--weights` is a hash, although all of them may be decimal.
const HASH_DIGITS: usize = 8;

/// Filters of the log. All of them together select an access.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct LogFilterArgs {
    /// Only accesses of this model, or of one version of its weights
    #[arg(long, value_name = "MODEL[:VERSION|@ALIAS]")]
    pub(crate) model: Option<String>,

    /// Only accesses on this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,

    /// Only accesses that are started, succeeded, failed, timeout, cancelled, unreachable or lost; several with commas
    #[arg(long = "status", value_name = "STATUS", value_enum, value_delimiter = ',', hide_possible_values = true)]
    statuses: Vec<StatusArg>,

    /// Only accesses that ended and did not succeed
    #[arg(long, conflicts_with = "statuses")]
    failed: bool,

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
    kinds: Vec<KindArg>,

    /// Only accesses of this caller, USER@HOST, or of a user on any host
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,

    /// Only accesses with these weights: the number of a version, or the first 8 or more digits of the sha256
    #[arg(long, value_name = "VERSION|SHA256", value_parser = weights)]
    weights: Option<WeightsFilter>,

    /// Only the parts and items of this batch
    #[arg(long, value_name = "UID")]
    pub(crate) batch: Option<Uuid>,

    /// Only accesses with this label; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = request_values::tag())]
    tags: Vec<String>,

    /// Only accesses that began since: a time such as 2026-05-04T12:00, a day, yesterday, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,

    /// Only accesses that began before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,

    /// Only accesses with exactly this text in their error or in the end of their stderr
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,

    /// Read and show times in UTC, whatever the time zone is
    #[arg(long)]
    pub(crate) utc: bool,
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

/// A value of `--status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusArg {
    /// Not over yet.
    Started,
    /// Answered.
    Succeeded,
    /// Failed, or could not be started.
    Failed,
    /// A bound ran out.
    Timeout,
    /// Ended by the user or a supervisor.
    Cancelled,
    /// The server could not be reached.
    Unreachable,
    /// No end was recorded.
    Lost,
}

impl StatusArg {
    const fn status(self) -> Status {
        match self {
            Self::Started => Status::Started,
            Self::Succeeded => Status::Succeeded,
            Self::Failed => Status::Failed,
            Self::Timeout => Status::Timeout,
            Self::Cancelled => Status::Cancelled,
            Self::Unreachable => Status::Unreachable,
            Self::Lost => Status::Lost,
        }
    }
}

impl LogFilterArgs {
    /// Returns the filter without model and times, which depend on the database and on the clock.
    ///
    /// # Errors
    /// A text is too long, or there are too many labels (64).
    pub(crate) fn filter(&self) -> Result<AccessFilter, CliError> {
        for (flag, text) in [("server", &self.server), ("caller", &self.caller), ("contains", &self.contains)] {
            if text.as_ref().is_some_and(|text| text.len() > MOST_BYTES) {
                return Err(CliError::usage(format!(
                    "`--{flag}` is longer than {MOST_BYTES} bytes, as no text in the log is"
                )));
            }
        }
        let tags = Tags::parse(self.tags.iter().map(String::as_str))
            .map_err(|error| CliError::of(FailureKind::Usage, error))?;
        // All of them must be there, and of two values of a key only the last one is left.
        let is_there = |tag: &String| tag.split_once('=').is_some_and(|(key, value)| tags.0[key] == value);
        if let Some(tag) = self.tags.iter().find(|tag| !is_there(tag)) {
            let key = tag.split('=').next().unwrap_or_default();
            return Err(CliError::usage(format!("`--tag {key}` has two values, and an access has at most one")));
        }
        let statuses = match self.failed {
            true => AccessFilter::FAILURES.to_vec(),
            false => self.statuses.iter().map(|status| status.status()).collect(),
        };
        Ok(AccessFilter {
            batch: self.batch,
            kinds: self.kinds(),
            server: self.server.clone(),
            statuses,
            caller: self.caller.clone(),
            weights: self.weights.clone(),
            tags,
            contains: self.contains.clone(),
            ..AccessFilter::default()
        })
    }

    /// Returns the kinds to select; empty for all.
    fn kinds(&self) -> Vec<AccessKind> {
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

/// Parses a value of `--weights`.
fn weights(text: &str) -> Result<WeightsFilter, String> {
    if text.len() < HASH_DIGITS
        && let Ok(version) = text.parse()
    {
        return Ok(WeightsFilter::Version(version));
    }
    if (HASH_DIGITS..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(WeightsFilter::Sha256(text.to_ascii_lowercase()));
    }
    Err(format!("write the number of a version, or the first {HASH_DIGITS} or more digits of a sha256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_number_of_a_version_or_the_beginning_of_a_hash() {
        assert_eq!(weights("12"), Ok(WeightsFilter::Version(12)));
        assert_eq!(weights("12345678"), Ok(WeightsFilter::Sha256("12345678".to_owned())));
        assert_eq!(weights("ABCDEF01"), Ok(WeightsFilter::Sha256("abcdef01".to_owned())));
        for wrong in ["", "-1", "abc", "abcdefgh", "%", &"a".repeat(65)] {
            assert!(weights(wrong).is_err(), "{wrong}");
        }
    }
}
