//! Quantiles of durations.

/// Quantiles of a group of values, in their unit; none if there are no values. Between two values they are interpolated, as
/// `percentile_cont` of SQL does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quantiles {
    /// The median.
    pub p50: Option<f64>,
    /// 90 % of the values are at most this.
    pub p90: Option<f64>,
    /// 99 % of the values are at most this.
    pub p99: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
}

impl Quantiles {
    /// Returns the quantiles of these values.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| interpolated(&values, share));
        Self { p50, p90, p99, max: values.last().copied() }
    }

    /// Returns the quantiles of an array of SQL, in their order; null without values.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_sql(values: Option<&[Option<f64>]>) -> Self {
        match values {
            Some([p50, p90, p99, max]) => Self { p50: *p50, p90: *p90, p99: *p99, max: *max },
            _ => Self::default(),
        }
    }
}

/// Returns the value at this share of sorted values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the position is within the values, of which there are fewer than 2^53"
)]
fn interpolated(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    Some(low + (high - low) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_values_beside_them() {
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
        let one = Quantiles::of(vec![3.0]);
        assert_eq!((one.p50, one.p90, one.p99, one.max), (Some(3.0), Some(3.0), Some(3.0), Some(3.0)));
        let four = Quantiles::of(vec![40.0, 10.0, 30.0, 20.0]);
        assert_eq!((four.p50, four.p90, four.max), (Some(25.0), Some(37.0), Some(40.0)));
    }
}
