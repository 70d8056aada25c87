//! Which accesses a list of the log shows, and where its next page begins.

use jiff::Timestamp;
use mer_core::{Access, AccessKind, AttemptKey, Status, Tags};
use uuid::Uuid;

use crate::Dialect;

/// Selects accesses of the log by every condition that is set; they are listed newest first. Texts are literal and compared
/// byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFilter {
    /// Maximum number of rows.
    pub limit: usize,
    /// Only accesses of this model.
    pub model: Option<String>,
    /// Only runs with this version of the model's weights, and the training that made it. Ignored without a model.
    pub version: Option<u64>,
    /// Only accesses of this batch.
    pub batch: Option<Uuid>,
    /// Only accesses that began at this time or later.
    pub since: Option<Timestamp>,
    /// Only accesses that began before this time.
    pub until: Option<Timestamp>,
    /// Only accesses of these kinds; an empty list selects every kind.
    pub kinds: Vec<AccessKind>,
    /// Only accesses on this server.
    pub server: Option<String>,
    /// Only accesses with one of these states; an empty list selects every state.
    pub statuses: Vec<Status>,
    /// Only accesses of this caller: `user@host`, or a user on any host.
    pub caller: Option<String>,
    /// Only accesses with these weights.
    pub weights: Option<WeightsFilter>,
    /// Only accesses that have all of these labels.
    pub tags: Tags,
    /// Only accesses with this text in their error or in the end of their stderr.
    pub contains: Option<String>,
}

/// Selects accesses by the weights that the model was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightsFilter {
    /// The number of the version, of any model.
    Version(u64),
    /// The sha256 of the weights in lowercase hexadecimal, or its beginning.
    Sha256(String),
}

impl Default for AccessFilter {
    fn default() -> Self {
        Self {
            limit: 50,
            model: None,
            version: None,
            batch: None,
            since: None,
            until: None,
            kinds: Vec::new(),
            server: None,
            statuses: Vec::new(),
            caller: None,
            weights: None,
            tags: Tags::default(),
            contains: None,
        }
    }
}

impl AccessFilter {
    /// The states of attempts that ended and did not succeed.
    pub const FAILURES: [Status; 5] =
        [Status::Failed, Status::Timeout, Status::Cancelled, Status::Unreachable, Status::Lost];

    /// Returns whether no index leads to the selected accesses, so that every access of the time is read.
    #[must_use]
    pub fn scans(&self, dialect: Dialect) -> bool {
        let is_led =
            self.model.is_some() || self.batch.is_some() || (dialect == Dialect::Postgres && self.excludes_successes());
        self.is_narrowed() && !is_led
    }

    /// Whether there is a condition that no index of every database covers.
    fn is_narrowed(&self) -> bool {
        self.server.is_some()
            || !self.statuses.is_empty()
            || self.caller.is_some()
            || self.weights.is_some()
            || !self.tags.0.is_empty()
            || self.contains.is_some()
    }

    /// Returns whether no access that succeeded is selected.
    pub(crate) fn excludes_successes(&self) -> bool {
        !self.statuses.is_empty() && !self.statuses.contains(&Status::Succeeded)
    }

    /// Returns whether there are conditions beyond model, version, batch and time.
    pub(crate) fn has_other_conditions(&self) -> bool {
        !self.kinds.is_empty() || self.is_narrowed()
    }

    /// Returns whether there is no condition but kinds, which leave out few accesses.
    pub(crate) fn selects_everything(&self) -> bool {
        let has_index = self.model.is_some() || self.batch.is_some() || self.since.is_some() || self.until.is_some();
        !has_index && !self.is_narrowed()
    }

    /// Returns whether an access meets every condition.
    #[must_use]
    pub fn matches(&self, access: &Access) -> bool {
        let is_of = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        is_of(&self.model, &access.model)
            && is_of(&self.server, &access.server)
            && (self.model.is_none() || self.version.is_none_or(|version| access.weights_version == Some(version)))
            && self.batch.is_none_or(|batch| access.batch_uid == Some(batch))
            && self.since.is_none_or(|since| access.start_access >= since)
            && self.until.is_none_or(|until| access.start_access < until)
            && (self.kinds.is_empty() || self.kinds.contains(&access.kind))
            && (self.statuses.is_empty() || self.statuses.contains(&access.status))
            && self.caller.as_ref().is_none_or(|caller| is_caller(caller, &access.caller))
            && self.weights.as_ref().is_none_or(|weights| weights.matches(access))
            && self.tags.0.iter().all(|(key, value)| access.tags.0.get(key) == Some(value))
            && self.contains.as_ref().is_none_or(|text| {
                access.stderr_tail.contains(text) || access.error.as_ref().is_some_and(|error| error.contains(text))
            })
    }
}

impl WeightsFilter {
    fn matches(&self, access: &Access) -> bool {
        match self {
            Self::Version(version) => access.weights_version == Some(*version),
            Self::Sha256(begin) => access.weights_sha256.as_ref().is_some_and(|hash| hash.starts_with(begin)),
        }
    }
}

/// Whether a caller is the wanted one, or that user on some host.
fn is_caller(wanted: &str, caller: &str) -> bool {
    caller.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

/// The last access of the pages read so far. Accesses that are recorded meanwhile do not move the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Start of that access, to the microsecond.
    pub(crate) start: Timestamp,
    pub(crate) key: AttemptKey,
    /// Number of accesses on the pages so far that began at `start`; they are the last ones.
    pub(crate) ties: usize,
}
