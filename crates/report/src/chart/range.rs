//! A line from the median to the 99th percentile, on a logarithmic scale that all rows of a table share.

use maud::{Markup, html};

use super::frame::at;

const WIDTH: f64 = 160.0;
const HEIGHT: f64 = 14.0;

/// The shortest and the longest duration of a table, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Returns the scale of these durations; none if there are none.
    pub(crate) fn over(durations: impl Iterator<Item = f64>) -> Option<Self> {
        // A duration of nothing has no logarithm.
        let bounded = durations.filter(|ms| ms.is_finite()).map(|ms| ms.max(0.001));
        let (low, high) = bounded.fold((f64::INFINITY, 0.0_f64), |(low, high), ms| (low.min(ms), high.max(ms)));
        (high > 0.0).then(|| Self { low, high: high.max(low * 1.1) })
    }

    fn x(self, ms: f64) -> f64 {
        let share = (ms.max(0.001) / self.low).ln() / (self.high / self.low).ln();
        4.0 + (WIDTH - 8.0) * share.clamp(0.0, 1.0)
    }
}

/// Draws the quantiles of a row; the table has their numbers.
pub(crate) fn range(scale: Scale, [p50, p90, p99]: [f64; 3]) -> Markup {
    let middle = HEIGHT / 2.0;
    let [p50, p90, p99] = [p50, p90, p99].map(|ms| scale.x(ms));
    html! {
        svg class="range" aria-hidden="true" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) {
            line class="whisker" x1=(at(p50)) x2=(at(p99)) y1=(at(middle)) y2=(at(middle)) {}
            line class="body" x1=(at(p50)) x2=(at(p90)) y1=(at(middle)) y2=(at(middle)) {}
            circle class="dot" cx=(at(p50)) cy=(at(middle)) r="3.5" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_logarithmic_and_bounded() {
        assert!(Scale::over(std::iter::empty()).is_none() && Scale::over([f64::NAN].into_iter()).is_none());
        let scale = Scale::over([1.0, 100.0].into_iter()).expect("a scale");
        assert!((scale.x(10.0) - WIDTH / 2.0).abs() < 1e-9);
        assert!((scale.x(1e9) - (WIDTH - 4.0)).abs() < 1e-9 && (scale.x(0.0) - 4.0).abs() < 1e-9);
        let one = Scale::over([0.0].into_iter()).expect("a scale");
        assert!(one.x(0.0).is_finite());
    }
}
