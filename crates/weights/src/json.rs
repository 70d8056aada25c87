//! JSON arrays of numbers.

use mer_core::Dtype;
use serde_json::Number;

use crate::{
    WeightsError,
    element::{number, to_bfloat, to_half},
};

/// Maximum size of a JSON text, in bytes. It is kept in memory.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// Returns the elements of a JSON array, little-endian.
pub(crate) fn parse(text: &[u8], dtype: Dtype) -> Result<Vec<u8>, WeightsError> {
    // serde_json reports errors with their position, but may round a fraction differently in the last bit. The texts of the
    // numbers are therefore parsed again below.
    let numbers: Vec<Number> = serde_json::from_slice(text).map_err(|source| WeightsError::Json { source })?;
    let mut bytes = Vec::with_capacity(numbers.len() * dtype.size().unwrap_or(1));
    let text = String::from_utf8_lossy(text);
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    for (index, number) in inner.split(',').take(numbers.len()).map(str::trim).enumerate() {
        let none = || WeightsError::Number { index, number: number.to_owned(), dtype };
        element(number, dtype, &mut bytes).ok_or_else(none)?;
    }
    Ok(bytes)
}

/// Appends the bytes of a number. Returns none if the type cannot represent it. Fractions are rounded to the nearest value,
/// integers are not.
fn element(text: &str, dtype: Dtype, bytes: &mut Vec<u8>) -> Option<()> {
    let start = bytes.len();
    let is_integer = !text.contains(['.', 'e', 'E']);
    match dtype {
        Dtype::F16 => bytes.extend(to_half(text.parse().ok()?)?.to_le_bytes()),
        Dtype::Bf16 => bytes.extend(to_bfloat(text.parse().ok()?)?.to_le_bytes()),
        Dtype::F32 => bytes.extend(text.parse().ok().filter(|number: &f32| number.is_finite())?.to_le_bytes()),
        Dtype::F64 => bytes.extend(text.parse().ok().filter(|number: &f64| number.is_finite())?.to_le_bytes()),
        Dtype::I8 => bytes.extend(i8::try_from(integer(text)?).ok()?.to_le_bytes()),
        Dtype::I16 => bytes.extend(i16::try_from(integer(text)?).ok()?.to_le_bytes()),
        Dtype::I32 => bytes.extend(i32::try_from(integer(text)?).ok()?.to_le_bytes()),
        Dtype::I64 => bytes.extend(i64::try_from(integer(text)?).ok()?.to_le_bytes()),
        Dtype::U8 => bytes.push(u8::try_from(integer(text)?).ok()?),
        _ => return None,
    }
    #[expect(clippy::cast_possible_truncation, reason = "compared in more bits than a float has for integers")]
    let float = number(dtype, &bytes[start..]) as i128;
    (!dtype.is_float() || !is_integer || text.parse() == Ok(float)).then_some(())
}

/// Parses an integer, which may be written as `3.0` or `1e3`.
fn integer(text: &str) -> Option<i128> {
    if let Ok(integer) = text.parse() {
        return Some(integer);
    }
    let float: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "what is too large is refused by its type")]
    (float.fract() == 0.0).then_some(float as i128)
}

/// Appends a little-endian element as a number with the fewest digits that parse to the same element. Returns none if it is not
/// finite.
pub(crate) fn write(dtype: Dtype, element: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value = number(dtype, element);
    if !value.is_finite() {
        return None;
    }
    let text = match (dtype, element) {
        (Dtype::F32, [a, b, c, d]) => serde_json::to_string(&f32::from_le_bytes([*a, *b, *c, *d])),
        (Dtype::I64, [a, b, c, d, e, f, g, h]) => {
            serde_json::to_string(&i64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
        }
        #[expect(clippy::cast_possible_truncation, reason = "it has at most 32 bits")]
        (Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::U8, _) => serde_json::to_string(&(value as i64)),
        _ => serde_json::to_string(&value),
    };
    out.extend_from_slice(text.ok()?.as_bytes());
    Some(())
}
