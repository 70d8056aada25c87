//! Versions of a model's weights.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Dtype;
use crate::{Invalid, valid};

/// File format of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WeightsFormat {
    /// Named tensors after a JSON header.
    Safetensors,
    /// One numpy array.
    Npy,
    /// Elements without a header, or bytes that MER does not interpret.
    Raw,
    /// A JSON array of numbers.
    Json,
}

impl WeightsFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Safetensors, Self::Npy, Self::Raw, Self::Json];

    /// Returns the name in the database, in JSON and on the command line.
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

/// A version of a model's weights. It is immutable. Versions of a model count from 1, and no number is used twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightsVersion {
    /// Name of the model.
    pub model: String,
    /// Number of the version, from 1.
    pub version: u64,
    /// File format.
    pub format: WeightsFormat,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Number of elements in each dimension; none unless it is a single array.
    pub shape: Option<Vec<u64>>,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Sha256 of the file, in hexadecimal.
    pub sha256: String,
    /// The version that it was made from.
    pub parent_version: Option<u64>,
    /// The access that made it.
    pub request_uid: Option<Uuid>,
    /// The attempt of that access.
    pub attempt: Option<u32>,
    /// Note of the user.
    pub note: Option<String>,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Key of its chunks in the database.
    pub payload: Uuid,
}

impl WeightsVersion {
    /// Checks what the types of the fields leave open, and with [`check_layout`] that shape and size are consistent.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(&self) -> Result<(), Invalid> {
        valid::check_known("model", &self.model)?;
        valid::check_counted("version", self.version)?;
        valid::bytes("bytes", self.bytes)?;
        check_layout(self.format, self.dtype, self.shape.as_deref(), self.bytes)?;
        valid::check_sha256("sha256", &self.sha256)?;
        if let Some(parent) = self.parent_version {
            valid::check_counted("parentVersion", parent)?;
            if parent >= self.version {
                let what = format!("is {parent}, and a version is made from one that was there before it");
                return Err(Invalid::new("parentVersion", what));
            }
        }
        match (self.request_uid, self.attempt) {
            (Some(_), Some(attempt)) => valid::check_counted("attempt", attempt.into())?,
            (None, None) => {}
            (Some(_), None) => return Err(Invalid::new("attempt", "is missing: `requestUid` is set")),
            (None, Some(_)) => return Err(Invalid::new("requestUid", "is missing: `attempt` is set")),
        }
        valid::time("createdAt", self.created_at)
    }
}

/// Checks that dtype, shape and size of weights are consistent, as far as that is possible without the bytes. A file with a
/// header is larger than its elements.
///
/// # Errors
/// The field that is inconsistent.
pub fn check_layout(format: WeightsFormat, dtype: Dtype, shape: Option<&[u64]>, bytes: u64) -> Result<(), Invalid> {
    let needs_shape = match format {
        WeightsFormat::Raw => dtype != Dtype::Opaque,
        WeightsFormat::Npy | WeightsFormat::Json => true,
        WeightsFormat::Safetensors => false,
    };
    let Some(shape) = shape else {
        return if needs_shape {
            Err(Invalid::new("shape", format!("is missing: {format} of {dtype} has one")))
        } else {
            Ok(())
        };
    };
    if format == WeightsFormat::Json && (shape.len() != 1 || dtype == Dtype::Opaque) {
        let what = format!("is of {} dimensions and {dtype}, and JSON is one row of numbers", shape.len());
        return Err(Invalid::new("shape", what));
    }
    let Some(size) = dtype.size() else {
        let what = "is set, and bytes that are not looked into have none";
        return if format == WeightsFormat::Raw { Err(Invalid::new("shape", what)) } else { Ok(()) };
    };
    // A dimension of zero makes the product zero, even if the other dimensions would overflow.
    let elements =
        if shape.contains(&0) { Some(0) } else { shape.iter().try_fold(1_u64, |all, length| all.checked_mul(*length)) };
    // In JSON an element has at least one digit, and a comma or a bracket.
    let size = if format == WeightsFormat::Json { 2 } else { size as u64 };
    let needed = elements.and_then(|elements| elements.checked_mul(size));
    let fits = match (format, needed) {
        (_, None) => false,
        (WeightsFormat::Raw, Some(needed)) => bytes == needed,
        (_, Some(needed)) => bytes > needed,
    };
    if fits {
        return Ok(());
    }
    let asked = needed.map_or_else(|| "more bytes than can be".to_owned(), |needed| format!("{needed} bytes"));
    Err(Invalid::new("shape", format!("asks for {asked} of {dtype}, and `bytes` is {bytes}")))
}

impl fmt::Display for WeightsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.model, self.version)
    }
}

#[cfg(test)]
mod tests;
