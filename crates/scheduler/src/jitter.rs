//! Jitter, so that callers that failed at the same time do not come back at the same time.

use std::time::Duration;

use uuid::Uuid;

/// Returns a duration between the half of this one and the whole.
pub(crate) fn jittered(duration: Duration) -> Duration {
    // The last bytes of a version 7 UUID are random.
    let byte = Uuid::now_v7().as_bytes()[15];
    duration / 2 + (duration / 2) * u32::from(byte) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_spreads_over_the_second_half() {
        let most = Duration::from_secs(10);
        let durations: Vec<Duration> = (0..200).map(|_| jittered(most)).collect();
        assert!(durations.iter().all(|duration| (most / 2..=most).contains(duration)));
        assert!(durations.iter().max() > durations.iter().min());
    }
}
