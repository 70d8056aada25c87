//! Statistics of the elements of weights, computed in one pass.

use std::cmp::Ordering;

use mer_core::Dtype;
use serde::Serialize;

use crate::element::{integer, number};

/// Factor for a sum that does not overflow. It is a power of two, so scaling is exact.
const SMALL: f64 = 1.0 / (1_u128 << 80) as f64;

/// Statistics of the elements that MER interprets.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Number of elements.
    pub elements: u64,
    /// Minimum of the finite elements.
    pub minimum: Option<Extreme>,
    /// Maximum of the finite elements.
    pub maximum: Option<Extreme>,
    /// Mean of the finite elements.
    pub mean: Option<f64>,
    /// Euclidean norm of the finite elements; infinite if it overflows a float.
    pub norm: f64,
    /// Number of NaN.
    pub nan: u64,
    /// Number of infinite elements.
    pub infinite: u64,
}

/// The minimum or the maximum. Integers stay integers, because a float cannot represent all of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Extreme {
    /// An element of an integer type.
    Integer(i64),
    /// An element of another type.
    Float(f64),
}

impl Extreme {
    fn order(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => order(a, b),
            (Self::Float(a), Self::Integer(b)) => order(b, a).reverse(),
        }
    }
}

/// Compares an integer with a finite number exactly.
fn order(integer: i64, number: f64) -> Ordering {
    #[expect(clippy::cast_possible_truncation, reason = "a number that equals a rounded integer has no fraction")]
    (integer as f64).total_cmp(&number).then_with(|| i128::from(integer).cmp(&(number as i128)))
}

/// Minimum and maximum of the elements so far.
#[derive(Debug, Clone, Copy)]
struct Range<T> {
    minimum: T,
    maximum: T,
}

impl<T: Copy + PartialOrd> Range<T> {
    /// Returns the range with its ends converted; none if there were no elements.
    fn converted(self, extreme: impl Fn(T) -> Extreme) -> Option<Range<Extreme>> {
        let ends = Range { minimum: extreme(self.minimum), maximum: extreme(self.maximum) };
        (self.minimum <= self.maximum).then_some(ends)
    }
}

/// Collects statistics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatisticsCollector {
    elements: u64,
    nan: u64,
    infinite: u64,
    floats: Range<f64>,
    integers: Range<i64>,
    sum: f64,
    small_sum: f64,
    /// The sum of squares is `scale * scale * squares`, so that no square overflows.
    scale: f64,
    squares: f64,
}

impl StatisticsCollector {
    pub(crate) const fn new() -> Self {
        Self {
            elements: 0,
            nan: 0,
            infinite: 0,
            floats: Range { minimum: f64::INFINITY, maximum: f64::NEG_INFINITY },
            integers: Range { minimum: i64::MAX, maximum: i64::MIN },
            sum: 0.0,
            small_sum: 0.0,
            scale: 1.0,
            squares: 0.0,
        }
    }

    /// Adds little-endian elements of `size` bytes.
    pub(crate) fn add(&mut self, dtype: Dtype, size: usize, bytes: &[u8]) {
        let elements = bytes.chunks_exact(size);
        if dtype.is_float() {
            elements.for_each(|element| self.add_float(number(dtype, element)));
        } else {
            elements.for_each(|element| self.add_integer(integer(dtype, element)));
        }
    }

    fn add_integer(&mut self, number: i64) {
        let Range { minimum, maximum } = self.integers;
        self.integers = Range { minimum: minimum.min(number), maximum: maximum.max(number) };
        self.add_finite(number as f64);
    }

    /// Adds a number of a float type.
    pub(crate) fn add_float(&mut self, number: f64) {
        if number.is_finite() {
            let Range { minimum, maximum } = self.floats;
            self.floats = Range { minimum: minimum.min(number), maximum: maximum.max(number) };
            self.add_finite(number);
        } else {
            self.elements += 1;
            self.nan += u64::from(number.is_nan());
            self.infinite += u64::from(number.is_infinite());
        }
    }

    fn add_finite(&mut self, number: f64) {
        self.elements += 1;
        self.sum += number;
        self.small_sum += number * SMALL;
        let mut scaled = number / self.scale;
        let size = scaled.abs();
        // Rescales before a square could overflow.
        if size > 1e150 {
            let larger = number.abs();
            self.squares *= (self.scale / larger).powi(2);
            self.scale = larger;
            scaled = number.signum();
        }
        self.squares += scaled * scaled;
    }

    pub(crate) fn finish(self) -> Statistics {
        let finite = self.elements - self.nan - self.infinite;
        let mean = |sum: f64| sum / finite as f64;
        let ends =
            [self.integers.converted(Extreme::Integer), self.floats.converted(Extreme::Float)].into_iter().flatten();
        Statistics {
            elements: self.elements,
            minimum: ends.clone().map(|ends| ends.minimum).min_by(Extreme::order),
            maximum: ends.map(|ends| ends.maximum).max_by(Extreme::order),
            mean: (finite > 0)
                .then(|| if self.sum.is_finite() { mean(self.sum) } else { mean(self.small_sum) / SMALL }),
            norm: self.scale * self.squares.sqrt(),
            nan: self.nan,
            infinite: self.infinite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64]) -> Statistics {
        let mut collector = StatisticsCollector::new();
        numbers.iter().for_each(|number| collector.add_float(*number));
        collector.finish()
    }

    #[test]
    fn nothing_overflows_and_what_is_no_number_is_counted() {
        let told = of(&[3.0, -4.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        let ends = (Some(Extreme::Float(-4.0)), Some(Extreme::Float(3.0)));
        assert_eq!(((told.minimum, told.maximum), told.mean, told.norm), (ends, Some(-0.5), 5.0));
        assert_eq!((told.elements, told.nan, told.infinite), (5, 1, 2));
        let large = of(&[f64::MAX, f64::MAX, 3e200, 4e200]);
        assert_eq!(large.mean, Some(f64::MAX / 2.0 + 1.75e200));
        assert!(large.norm.is_infinite(), "it is more than there are numbers for");
        assert!((of(&[3e200, 4e200]).norm / 5e200 - 1.0).abs() < 1e-12);
        assert_eq!(of(&[]), Statistics::default());
    }

    #[test]
    fn integers_stay_integers() {
        let mut collector = StatisticsCollector::new();
        let ends = |collector: StatisticsCollector| {
            let told = collector.finish();
            (told.minimum.unwrap(), told.maximum.unwrap())
        };
        let bytes = [i64::MIN, i64::MAX - 1, 0].map(i64::to_le_bytes).concat();
        collector.add(Dtype::I64, 8, &bytes);
        assert_eq!(ends(collector), (Extreme::Integer(i64::MIN), Extreme::Integer(i64::MAX - 1)));
        assert_eq!(serde_json::to_string(&ends(collector)).unwrap(), "[-9223372036854775808,9223372036854775806]");
        // Beside floats, the one that is less or greater indeed.
        collector.add_float(2_f64.powi(63));
        collector.add_float(-2_f64.powi(63));
        assert_eq!(ends(collector).1, Extreme::Float(2_f64.powi(63)));
        let mut close = StatisticsCollector::new();
        close.add(Dtype::I64, 8, &((1_i64 << 53) + 1).to_le_bytes());
        close.add_float(2_f64.powi(53));
        assert_eq!(ends(close), (Extreme::Float(2_f64.powi(53)), Extreme::Integer((1 << 53) + 1)));
        let mut small = StatisticsCollector::new();
        small.add(Dtype::U8, 1, &[255, 3]);
        assert_eq!(ends(small), (Extreme::Integer(3), Extreme::Integer(255)));
    }
}
