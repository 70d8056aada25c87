//! When a batch ends before its last item because of its results.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// What happens to items in process when a batch is halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltWhen {
    /// They are ended.
    Now,
    /// They are finished, and count.
    Soon,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltEvent {
    /// Failed items.
    Fail,
    /// Items that succeeded.
    Success,
    /// Items that are over, whatever their result.
    Done,
}

/// How many there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltAmount {
    /// A number of items, at least 1.
    Count(u64),
    /// A share of the items, from 1 to 100 percent: of all where their number is known, else of those that are over. It
    /// applies once three items are over.
    Percent(u8),
}

/// When a batch ends before its last item: `soon,fail=10` or `now,done=5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halt {
    /// What happens to items in process.
    pub when: HaltWhen,
    /// What is counted.
    pub event: HaltEvent,
    /// How many there must be.
    pub amount: HaltAmount,
}

/// The text is no policy for halting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` is not when to halt: expected `now` or `soon`, a comma, and `fail=N`, `success=N`, `done=N`, or a share such as `fail=10%`"
)]
pub struct HaltError {
    /// The text.
    text: String,
}

impl FromStr for Halt {
    type Err = HaltError;

    fn from_str(text: &str) -> Result<Self, HaltError> {
        let parsed = || {
            let (when, what) = text.split_once(',')?;
            let (event, amount) = what.split_once('=')?;
            let when = match when {
                "now" => HaltWhen::Now,
                "soon" => HaltWhen::Soon,
                _ => return None,
            };
            let event = match event {
                "fail" => HaltEvent::Fail,
                "success" => HaltEvent::Success,
                "done" => HaltEvent::Done,
                _ => return None,
            };
            let digits = amount.strip_suffix('%').unwrap_or(amount);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
            let amount = if amount.ends_with('%') {
                HaltAmount::Percent(u8::try_from(number).ok().filter(|percent| *percent <= 100)?)
            } else {
                HaltAmount::Count(number)
            };
            Some(Self { when, event, amount })
        };
        parsed().ok_or_else(|| HaltError { text: text.to_owned() })
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            HaltWhen::Now => "now",
            HaltWhen::Soon => "soon",
        };
        let event = match self.event {
            HaltEvent::Fail => "fail",
            HaltEvent::Success => "success",
            HaltEvent::Done => "done",
        };
        match self.amount {
            HaltAmount::Count(count) => write!(f, "{when},{event}={count}"),
            HaltAmount::Percent(percent) => write!(f, "{when},{event}={percent}%"),
        }
    }
}

impl Halt {
    /// The fewest items that must be over before a share is looked at.
    const FEWEST: u64 = 3;

    /// Whether a batch with these counts is to halt. `total` is the number of items of the whole input, where it is known.
    #[must_use]
    pub fn is_reached(&self, failed: u64, succeeded: u64, total: Option<u64>) -> bool {
        let over = failed + succeeded;
        let counted = match self.event {
            HaltEvent::Fail => failed,
            HaltEvent::Success => succeeded,
            HaltEvent::Done => over,
        };
        match self.amount {
            HaltAmount::Count(count) => counted >= count,
            HaltAmount::Percent(percent) => {
                let base = total.unwrap_or(over).max(1);
                over >= Self::FEWEST && u128::from(counted) * 100 >= u128::from(percent) * u128::from(base)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_written() {
        for text in ["now,fail=1", "soon,done=100%", "now,success=18446744073709551615", "soon,fail=7%"] {
            assert_eq!(text.parse::<Halt>().expect(text).to_string(), text);
        }
        for text in ["", "now", "now,fail", "now,fail=", "now,fail=0", "later,fail=1", "now,fails=1", "now,fail=101%"] {
            text.parse::<Halt>().expect_err(text);
        }
        for text in ["now,fail=0%", "now,fail=+1", "now,fail=1.5%", "now, fail=1", "now,fail=99999999999999999999"] {
            text.parse::<Halt>().expect_err(text);
        }
    }

    #[test]
    fn a_share_waits_for_three_items_and_counts_against_all() {
        let halt: Halt = "now,fail=50%".parse().expect("a policy");
        assert!(!halt.is_reached(0, 0, None) && !halt.is_reached(1, 0, None) && !halt.is_reached(2, 0, None));
        assert!(halt.is_reached(2, 1, None) && halt.is_reached(3, 0, Some(6)));
        assert!(!halt.is_reached(3, 0, Some(100)) && halt.is_reached(50, 0, Some(100)));
        let done: Halt = "soon,done=3".parse().expect("a policy");
        assert!(done.is_reached(1, 2, None) && !done.is_reached(1, 1, Some(2)));
    }
}
