//! Write conflicts are routine: whoever loses tries again, a little later and not in step with the others.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    time::Duration,
};

/// How often an operation is tried before its conflict is reported.
pub(crate) const TRIES: u32 = 40;

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(100);

/// The pause after a lost try: doubling, at most [`LONGEST`], and somewhere in its upper half.
pub(crate) fn pause(lost: u32) -> Duration {
    let longest = FIRST.saturating_mul(1 << lost.min(16)).min(LONGEST);
    // The standard library's only source of randomness, and good enough to part two losers.
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
        for lost in 0..TRIES {
            assert!(pause(lost) <= LONGEST);
        }
        assert!(pause(30) >= LONGEST / 2);
    }
}
