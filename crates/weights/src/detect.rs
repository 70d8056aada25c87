//! Which format bytes are of.

use mer_core::WeightsFormat;

use crate::npy;

/// How many bytes of the beginning tell the format.
pub const HEAD: usize = 64;

/// The format of what begins so, by what only that format begins with; raw where it is none of them.
#[must_use]
pub fn detect(head: &[u8]) -> WeightsFormat {
    if head.starts_with(npy::MAGIC) {
        return WeightsFormat::Npy;
    }
    // The length of a header is far below what its upper bytes could say.
    if head.len() > 8 && head[4..8] == [0; 4] && head[8] == b'{' {
        return WeightsFormat::Safetensors;
    }
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') if head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            WeightsFormat::Json
        }
        _ => WeightsFormat::Raw,
    }
}
