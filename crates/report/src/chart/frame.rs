//! The axes around the bars of a drawing.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};

use crate::words;

/// Width of a drawing in its own units.
pub(super) const WIDTH: f64 = 720.0;
/// Height of a drawing in its own units.
pub(super) const HEIGHT: f64 = 190.0;
/// Left edge of the bars.
pub(super) const LEFT: f64 = 56.0;
/// Upper edge of the bars.
pub(super) const TOP: f64 = 14.0;
/// Lower edge of the bars.
pub(super) const BOTTOM: f64 = 160.0;
/// Number of labels below the bars.
const LABELS: usize = 4;

/// Returns the smallest of 1, 2, 5, 10, 20, … that is not below a count.
pub(super) fn round_up(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            match step.checked_mul(factor) {
                Some(round) if round >= most => return round,
                Some(_) => {}
                None => return most,
            }
        }
        step = match step.checked_mul(10) {
            Some(step) => step,
            None => return most,
        };
    }
}

/// Returns a coordinate with one digit.
pub(super) fn at(value: f64) -> String {
    format!("{value:.1}")
}

/// Draws the axes for counts up to `top`, and times of the periods from which some are labelled.
pub(super) fn axes(top: u64, starts: &[Timestamp], zone: &TimeZone) -> Markup {
    let right = WIDTH - 8.0;
    let lines = [(BOTTOM, 0), (f64::midpoint(TOP, BOTTOM), top / 2), (TOP, top)];
    // A count of 1 has no half.
    let lines = lines.iter().filter(|(y, _)| top > 1 || !(TOP + 1.0..BOTTOM - 1.0).contains(y));
    let step = starts.len().div_ceil(LABELS).max(1);
    let labelled = starts.iter().enumerate().step_by(step);
    html! {
        @for (y, value) in lines {
            line class="grid" x1=(at(LEFT)) x2=(at(right)) y1=(at(*y)) y2=(at(*y)) {}
            text class="tick" x=(at(LEFT - 6.0)) y=(at(y + 4.0)) text-anchor="end" { (words::count(*value)) }
        }
        @for (i, start) in labelled {
            text class="tick" x=(at(slot(starts.len(), i).0)) y=(at(BOTTOM + 18.0)) { (words::time(*start, zone)) }
        }
    }
}

/// Returns the left edge and the width of a period's place.
pub(super) fn slot(periods: usize, period: usize) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "periods are few")]
    let (periods, period) = (periods.max(1) as f64, period as f64);
    let width = (WIDTH - 8.0 - LEFT) / periods;
    (LEFT + width * period, width)
}

/// Returns the height of a count.
pub(super) fn height(count: u64, top: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a tenth of a unit is shown")]
    let share = count as f64 / top.max(1) as f64;
    (BOTTOM - TOP) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!([0, 1, 3, 5, 11, 501].map(round_up), [1, 1, 5, 5, 20, 1000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn bars_lie_within_the_drawing() {
        let (left, width) = slot(3, 2);
        assert!((left + width - (WIDTH - 8.0)).abs() < 1e-9);
        assert!((height(5, 5) - (BOTTOM - TOP)).abs() < 1e-9 && height(0, 0) < 1e-9);
    }
}
