//! Types of the elements of weights.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::nearest;

/// Type of the elements of weights. Their bytes are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754, 16 bits.
    F16,
    /// The upper 16 bits of an [`Dtype::F32`].
    Bf16,
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 64 bits.
    F64,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 8 bits.
    U8,
    /// Bytes that MER does not interpret, or elements of several types.
    Opaque,
}

/// The text is not a dtype.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a dtype; write f16, bf16, f32, f64, i8, i16, i32, i64, u8 or opaque")]
pub struct DtypeError(String);

impl Dtype {
    /// Every dtype.
    pub const ALL: [Self; 10] = [
        Self::F16,
        Self::Bf16,
        Self::F32,
        Self::F64,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::Opaque,
    ];

    /// Returns the name in the database, in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::Opaque => "opaque",
        }
    }

    /// Returns the number of bytes of an element; none for [`Dtype::Opaque`].
    #[must_use]
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::F16 | Self::Bf16 | Self::I16 => Some(2),
            Self::F32 | Self::I32 => Some(4),
            Self::F64 | Self::I64 => Some(8),
            Self::I8 | Self::U8 => Some(1),
            Self::Opaque => None,
        }
    }

    /// Whether the type has NaN and infinities.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dtype {
    type Err = DtypeError;

    /// Parses a name, also that of numpy (`float32`, `int8`, `uint8`).
    fn from_str(text: &str) -> Result<Self, DtypeError> {
        let lower = text.to_ascii_lowercase();
        let short = match lower.as_str() {
            "float16" | "half" => "f16",
            "bfloat16" => "bf16",
            "float32" | "float" => "f32",
            "float64" | "double" => "f64",
            "int8" => "i8",
            "int16" => "i16",
            "int32" => "i32",
            "int64" => "i64",
            "uint8" => "u8",
            "bytes" => "opaque",
            other => other,
        };
        let known = Self::ALL.into_iter().find(|dtype| dtype.name() == short);
        known.ok_or_else(|| DtypeError(text.to_owned()))
    }
}

impl DtypeError {
    /// Returns the most similar dtype, if there is one.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        nearest(&self.0, Dtype::ALL.iter().map(|dtype| dtype.name())).first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dtype_reads_back_as_it_prints_and_as_serde_writes_it() {
        for dtype in Dtype::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
            assert_eq!(serde_json::to_string(&dtype).expect("json"), format!("\"{dtype}\""));
        }
        assert_eq!("Float32".parse(), Ok(Dtype::F32));
        for wrong in ["", "f31", "u16", "complex64", "f32 "] {
            assert!(wrong.parse::<Dtype>().is_err(), "{wrong:?} was accepted");
        }
        assert_eq!("bf61".parse::<Dtype>().expect_err("wrong").nearest(), Some("bf16"));
    }
}
