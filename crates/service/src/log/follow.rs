//! Follows the log: accesses that begin, and those that end.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use mer_core::{Access, AttemptKey, Status};
use mer_dal::{AccessFilter, AccessPages, Session};

use super::query::PAGE;
use crate::{error::ServiceError, runtime::Runtime};

/// Least time between two looks at a database on a server. An embedded database is opened for each look.
const ON_SERVER: Duration = Duration::from_secs(1);
const EMBEDDED: Duration = Duration::from_secs(2);
/// A look takes at most this share of the time.
const SHARE: u32 = 4;
/// Records of other machines may come this much later than those with the same start.
const LATE: SignedDuration = SignedDuration::from_mins(1);
/// Accesses that were not over are followed if they began this long ago at most.
const OPEN: SignedDuration = SignedDuration::from_hours(24);

/// Returns accesses as they begin and end.
#[derive(Debug)]
pub struct Follower<'a> {
    runtime: &'a Runtime,
    /// What is returned.
    filter: AccessFilter,
    /// What is read: an access that is not over may come to meet the filter.
    watched: AccessFilter,
    /// The accesses that were read, as far as they can come again, with their start and state.
    known: HashMap<AttemptKey, (Timestamp, Status)>,
    /// Start of the newest access.
    newest: Timestamp,
    pause: Duration,
}

impl<'a> Follower<'a> {
    /// Returns the newest accesses of a filter, oldest first, and what follows the log after them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn begin(runtime: &'a Runtime, filter: AccessFilter) -> Result<(Self, Vec<Access>), ServiceError> {
        let watched = AccessFilter { limit: usize::MAX, statuses: Vec::new(), contains: None, ..filter.clone() };
        let pause = least_pause(runtime);
        let mut follower = Self { runtime, filter, watched, known: HashMap::new(), newest: Timestamp::now(), pause };
        let session = runtime.session_drained().await?;
        let read = follower.read_first(&session).await;
        session.close().await?;
        Ok((follower, read?))
    }

    async fn read_first(&mut self, session: &Session) -> Result<Vec<Access>, ServiceError> {
        let mut listed = read_all(session, self.filter.clone()).await?;
        listed.reverse();
        let any = AccessFilter { limit: 1, ..self.watched.clone() };
        self.newest = read_all(session, any).await?.first().map_or(self.newest, |access| access.start_access);
        let since = self.newest.checked_sub(OPEN).ok();
        let open = AccessFilter { since, statuses: vec![Status::Started], ..self.watched.clone() };
        for access in read_all(session, open).await? {
            self.note(&access);
        }
        for access in read_all(session, self.recent()).await?.iter().chain(&listed) {
            self.note(access);
        }
        Ok(listed)
    }

    /// Waits a while, and returns the accesses that have begun or ended since, oldest first; possibly none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Access>, ServiceError> {
        tokio::time::sleep(self.pause).await;
        let begun = Instant::now();
        let session = self.runtime.session_drained().await?;
        let read = self.read(&session).await;
        session.close().await?;
        self.pause = least_pause(self.runtime).max(begun.elapsed() * SHARE);
        let mut changed = read?;
        changed.retain(|access| self.known.get(&access.key()).is_none_or(|(_, status)| *status != access.status));
        changed.sort_by_key(|access| (access.start_access, access.key()));
        changed.dedup_by_key(|access| access.key());
        changed.iter().for_each(|access| self.note(access));
        let since = self.recent().since;
        self.known.retain(|_, (start, status)| Some(*start) >= since || *status == Status::Started);
        changed.retain(|access| self.filter.matches(access));
        Ok(changed)
    }

    /// Reads what may have changed.
    async fn read(&self, session: &Session) -> Result<Vec<Access>, ServiceError> {
        let recent = self.recent();
        let since = recent.since;
        let mut accesses = read_all(session, recent).await?;
        // Those that began earlier, and were not over yet.
        let open = self.known.iter().filter(|(_, (start, status))| Some(*start) < since && *status == Status::Started);
        for (key, _) in open {
            let attempts = session.access(key.request_uid).await?;
            accesses.extend(attempts.into_iter().filter(|access| access.key() == *key));
        }
        Ok(accesses)
    }

    /// Selects the accesses that may not have been read.
    fn recent(&self) -> AccessFilter {
        let since = self.newest.checked_sub(LATE).unwrap_or(Timestamp::MIN);
        let since = self.watched.since.map_or(since, |first| first.max(since));
        AccessFilter { since: Some(since), ..self.watched.clone() }
    }

    fn note(&mut self, access: &Access) {
        self.newest = self.newest.max(access.start_access);
        self.known.insert(access.key(), (access.start_access, access.status));
    }
}

fn least_pause(runtime: &Runtime) -> Duration {
    if runtime.database().settings().url.is_embedded() { EMBEDDED } else { ON_SERVER }
}

async fn read_all(session: &Session, filter: AccessFilter) -> Result<Vec<Access>, ServiceError> {
    let mut pages = AccessPages::new(filter);
    let mut accesses = Vec::new();
    while !pages.is_over() {
        accesses.extend(pages.next(session, PAGE).await?);
    }
    Ok(accesses)
}
