//! One version of a model's weights.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Dtype;

/// How the bytes of a version are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WeightsFormat {
    /// Named tensors behind a JSON header.
    Safetensors,
    /// One array of numpy.
    Npy,
    /// The elements and nothing else, or bytes that MER does not look into.
    Raw,
    /// A JSON array of numbers.
    Json,
}

impl WeightsFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Safetensors, Self::Npy, Self::Raw, Self::Json];

    /// The name in the database, in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Raw => "raw",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for WeightsFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A version: immutable once it is there. Versions of a model count from 1, and no number is given twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightsVersion {
    /// The model's name.
    pub model: String,
    /// From 1.
    pub version: u64,
    /// How its bytes are laid out.
    pub format: WeightsFormat,
    /// The type of its elements.
    pub dtype: Dtype,
    /// How many elements it has in each dimension; nothing where it is not one array.
    pub shape: Option<Vec<u64>>,
    /// How many bytes it has, as it was put.
    pub bytes: u64,
    /// Of those bytes, in hexadecimal.
    pub sha256: String,
    /// The version that it was made from.
    pub parent_version: Option<u64>,
    /// The access that made it.
    pub request_uid: Option<Uuid>,
    /// The attempt of that access.
    pub attempt: Option<u32>,
    /// What a person said of it.
    pub note: Option<String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// Where its bytes are: what its chunks are kept under.
    pub payload: Uuid,
}

impl fmt::Display for WeightsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.model, self.version)
    }
}
