//! What a vector is like, told in one pass.

use mer_core::Dtype;
use serde::Serialize;

use crate::element::number;

/// Far below one, and a power of two: a sum of numbers made this much smaller does not overflow.
const SMALL: f64 = 1.0 / (1_u128 << 80) as f64;

/// Of all elements that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// How many elements there are, whatever they are.
    pub elements: u64,
    /// The least of those that are finite.
    pub minimum: Option<f64>,
    /// The greatest of those that are finite.
    pub maximum: Option<f64>,
    /// The mean of those that are finite.
    pub mean: Option<f64>,
    /// The Euclidean norm of those that are finite.
    pub norm: f64,
    /// How many are not a number.
    pub nan: u64,
    /// How many are infinite.
    pub infinite: u64,
}

/// Statistics on their way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gathered {
    elements: u64,
    nan: u64,
    infinite: u64,
    minimum: f64,
    maximum: f64,
    sum: f64,
    small_sum: f64,
    /// The sum of squares is `scale * scale * squares`: no square overflows that way.
    scale: f64,
    squares: f64,
}

impl Gathered {
    pub(crate) const fn new() -> Self {
        Self {
            elements: 0,
            nan: 0,
            infinite: 0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            sum: 0.0,
            small_sum: 0.0,
            scale: 1.0,
            squares: 0.0,
        }
    }

    /// Takes whole little-endian elements.
    pub(crate) fn add(&mut self, dtype: Dtype, size: usize, bytes: &[u8]) {
        for element in bytes.chunks_exact(size) {
            self.add_number(number(dtype, element));
        }
    }

    /// Takes a number.
    pub(crate) fn add_number(&mut self, number: f64) {
        self.elements += 1;
        if !number.is_finite() {
            self.nan += u64::from(number.is_nan());
            self.infinite += u64::from(number.is_infinite());
            return;
        }
        self.minimum = self.minimum.min(number);
        self.maximum = self.maximum.max(number);
        self.sum += number;
        self.small_sum += number * SMALL;
        let mut scaled = number / self.scale;
        let size = scaled.abs();
        // Between these squares neither overflow nor vanish.
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
        let some = |value| (finite > 0).then_some(value);
        Statistics {
            elements: self.elements,
            minimum: some(self.minimum),
            maximum: some(self.maximum),
            mean: some(if self.sum.is_finite() { mean(self.sum) } else { mean(self.small_sum) / SMALL }),
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
        let mut gathered = Gathered::new();
        numbers.iter().for_each(|number| gathered.add_number(*number));
        gathered.finish()
    }

    #[test]
    fn nothing_overflows_and_what_is_no_number_is_counted() {
        let told = of(&[3.0, -4.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!((told.minimum, told.maximum, told.mean, told.norm), (Some(-4.0), Some(3.0), Some(-0.5), 5.0));
        assert_eq!((told.elements, told.nan, told.infinite), (5, 1, 2));
        let large = of(&[f64::MAX, f64::MAX, 3e200, 4e200]);
        assert_eq!(large.mean, Some(f64::MAX / 2.0 + 1.75e200));
        assert!(large.norm.is_infinite(), "it is more than there are numbers for");
        assert!((of(&[3e200, 4e200]).norm / 5e200 - 1.0).abs() < 1e-12);
        assert_eq!(of(&[]), Statistics::default());
    }
}
