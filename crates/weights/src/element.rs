//! Converts elements to numbers and back.

use mer_core::Dtype;

/// Returns the value of a little-endian element, which is not opaque.
pub(crate) fn number(dtype: Dtype, bytes: &[u8]) -> f64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    let [a, b, c, d, ..] = eight;
    match dtype {
        Dtype::F16 => half(u16::from_le_bytes([a, b])),
        Dtype::Bf16 => f64::from(f32::from_le_bytes([0, 0, a, b])),
        Dtype::F32 => f64::from(f32::from_le_bytes([a, b, c, d])),
        Dtype::F64 => f64::from_le_bytes(eight),
        _ => integer(dtype, bytes) as f64,
    }
}

/// Returns the value of a little-endian element of an integer type.
pub(crate) fn integer(dtype: Dtype, bytes: &[u8]) -> i64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    let [a, b, c, d, ..] = eight;
    match dtype {
        Dtype::I8 => i64::from(i8::from_le_bytes([a])),
        Dtype::I16 => i64::from(i16::from_le_bytes([a, b])),
        Dtype::I32 => i64::from(i32::from_le_bytes([a, b, c, d])),
        Dtype::I64 => i64::from_le_bytes(eight),
        _ => i64::from(a),
    }
}

/// Returns the value of an IEEE 754 half: sign, 5 bits of exponent, 10 bits of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

/// Returns the half nearest to a number, ties to even; none if the number is too large.
pub(crate) fn to_half(number: f64) -> Option<u16> {
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    let size = number.abs();
    if !size.is_finite() {
        return None;
    }
    // The distance of neighbouring halves is a power of two, which depends on the exponent of the number.
    let exponent = if size < 2_f64.powi(-14) { -14 } else { exponent_of(size) };
    let steps = (size / 2_f64.powi(exponent - 10)).round_ties_even();
    // Steps above 1024 carry over into the exponent, as the bits do.
    #[expect(clippy::cast_possible_truncation, reason = "at most 2048")]
    let steps = steps as u32;
    let lowest = u32::try_from(exponent + 14).ok()?;
    let bits = if steps == 0 { 0 } else { lowest * 1024 + steps };
    u16::try_from(bits).ok().filter(|bits| *bits < 0x7c00).map(|bits| bits | sign)
}

/// Returns the exponent of the greatest power of two that is not above `size`.
fn exponent_of(size: f64) -> i32 {
    let bits = size.to_bits() >> 52 & 0x7ff;
    i32::try_from(bits).unwrap_or(0) - 1023
}

/// Returns the bfloat16 nearest to a number, ties to even; none if the number is too large.
pub(crate) fn to_bfloat(number: f32) -> Option<u16> {
    let bits = number.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    u16::try_from(rounded).ok().filter(|bits| number.is_finite() && bits & 0x7f80 != 0x7f80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_numbers_and_numbers_halves() {
        for (bits, is) in [(0x0000, 0.0), (0x0001, 5.960_464_477_539_063e-8), (0x3c00, 1.0), (0xc000, -2.0)] {
            assert_eq!(half(bits), is);
        }
        assert_eq!((half(0x7bff), half(0x7c00), half(0xfc00)), (65504.0, f64::INFINITY, f64::NEG_INFINITY));
        assert!(half(0x7e00).is_nan());
        for bits in (0..0x7c00).chain(0x8000..0xfc00) {
            assert_eq!(to_half(half(bits)), Some(bits), "{bits:04x}");
        }
        // Half way between 1 and the next is 1; above that the next.
        assert_eq!(to_half(1.0 + 2_f64.powi(-11)), Some(0x3c00));
        assert_eq!(to_half(1.0 + 2_f64.powi(-11) + 1e-9), Some(0x3c01));
        assert_eq!((to_half(65519.0), to_half(65520.0), to_half(f64::NAN)), (Some(0x7bff), None, None));
    }

    #[test]
    fn bfloats_are_rounded_to_even() {
        assert_eq!(to_bfloat(1.0), Some(0x3f80));
        assert_eq!(to_bfloat(f32::from_bits(0x3f80_8000)), Some(0x3f80));
        assert_eq!(to_bfloat(f32::from_bits(0x3f81_8000)), Some(0x3f82));
        assert_eq!((to_bfloat(f32::MAX), to_bfloat(f32::NAN)), (None, None));
        assert_eq!(number(Dtype::Bf16, &[0x80, 0x3f]), 1.0);
    }
}
