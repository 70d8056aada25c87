//! Retries of write conflicts. They are routine: the writer that loses tries again, a little later and out of step with the
//! others.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    time::Duration,
};

use tokio::time::sleep;

use crate::{BoxError, DalError};

/// Number of attempts before the conflict is reported.
const ATTEMPTS: u32 = 40;

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(100);

/// Outcome of one attempt to write: the inner error is the conflict with another writer.
pub(crate) type Attempt<T> = Result<Result<T, BoxError>, DalError>;

/// Repeats an attempt to write until no other writer is first.
///
/// # Errors
/// [`DalError::Conflict`] after too many attempts, and the errors of the attempt.
pub(crate) async fn until_written<T, F: Future<Output = Attempt<T>>>(
    operation: &'static str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, DalError> {
    let mut conflicts = Conflicts::new(operation);
    loop {
        match attempt().await? {
            Ok(written) => return Ok(written),
            Err(conflict) => conflicts.pause(conflict).await?,
        }
    }
}

/// Counts the conflicts of one operation.
#[derive(Debug)]
pub(crate) struct Conflicts {
    operation: &'static str,
    count: u32,
}

impl Conflicts {
    pub(crate) const fn new(operation: &'static str) -> Self {
        Self { operation, count: 0 }
    }

    /// Pauses after a conflict, before the next attempt.
    ///
    /// # Errors
    /// [`DalError::Conflict`] after too many attempts.
    pub(crate) async fn pause(&mut self, conflict: BoxError) -> Result<(), DalError> {
        self.count += 1;
        if self.count == ATTEMPTS {
            return Err(DalError::Conflict { operation: self.operation, tries: self.count, source: conflict });
        }
        sleep(pause(self.count)).await;
        Ok(())
    }
}

/// Returns the pause after so many failed attempts: it doubles up to 100 ms, and is a random time in the upper half of
/// that.
pub(crate) fn pause(failed: u32) -> Duration {
    let longest = FIRST.saturating_mul(1 << failed.min(16)).min(LONGEST);
    // The only source of randomness in the standard library; it is enough to part two writers.
    let random = RandomState::new().build_hasher().finish();
    let part = f64::from(u32::try_from(random & 0xffff).unwrap_or(0)) / 65536.0;
    longest.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert!(pause(0) <= FIRST);
        for failed in 0..ATTEMPTS {
            assert!(pause(failed) <= LONGEST);
        }
        assert!(pause(30) >= LONGEST / 2);
    }

    #[tokio::test]
    async fn a_conflict_is_repeated_and_reported_in_the_end() {
        let mut attempts = 0;
        let written = until_written("write", || {
            attempts += 1;
            std::future::ready(Ok(if attempts < 3 { Err("another writer".into()) } else { Ok(attempts) }))
        });
        assert_eq!(written.await.unwrap(), 3);
        let mut last = Conflicts { operation: "write", count: ATTEMPTS - 1 };
        let error = last.pause("another writer".into()).await.unwrap_err();
        assert!(matches!(error, DalError::Conflict { tries: ATTEMPTS, .. }));
        let failed =
            until_written("write", || std::future::ready(Attempt::<()>::Err(DalError::Gone { operation: "write" })));
        assert!(matches!(failed.await.unwrap_err(), DalError::Gone { .. }));
    }
}
