//! How long claims last.

use std::time::Duration;

/// Minimum time for which a claim lasts.
const MIN_LIFETIME: Duration = Duration::from_secs(90);
/// Time for which a claim outlasts the processes of a machine that has gone silent.
const MARGIN: Duration = Duration::from_secs(30);

/// Returns for how long a claim lasts without being renewed: until the process that it is for is gone, also if this machine
/// cannot be reached any more. After `orphan_after` its server ends it, which takes `grace` at most.
#[must_use]
pub fn claim_lifetime(orphan_after: Duration, grace: Duration) -> Duration {
    MIN_LIFETIME.max(orphan_after.saturating_add(grace).saturating_add(MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_outlast_the_processes_that_they_are_for() {
        let seconds = Duration::from_secs;
        assert_eq!(claim_lifetime(seconds(30), seconds(5)), seconds(90));
        assert_eq!(claim_lifetime(seconds(60), seconds(20)), seconds(110));
        assert_eq!(claim_lifetime(Duration::MAX, seconds(1)), Duration::MAX);
    }
}
