//! Detects the format of a file by its first bytes.

use mer_core::WeightsFormat;

use crate::npy;

/// Number of bytes at the beginning of a file that [`detect`] needs.
pub const DETECT_BYTES: usize = 64;

/// Returns the format of a file that begins with these bytes; raw if it is none of the others.
#[must_use]
pub fn detect(beginning: &[u8]) -> WeightsFormat {
    if beginning.starts_with(npy::MAGIC) {
        return WeightsFormat::Npy;
    }
    // No header is long enough for its length to use the upper four bytes.
    if beginning.len() > 8 && beginning[4..8] == [0; 4] && beginning[8] == b'{' {
        return WeightsFormat::Safetensors;
    }
    match beginning.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') if beginning.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            WeightsFormat::Json
        }
        _ => WeightsFormat::Raw,
    }
}
