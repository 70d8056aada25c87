//! Errors in files of weights.

use mer_core::{Dtype, WeightsFormat};
use thiserror::Error;

/// Why weights are invalid, differ from what the caller expects, or cannot be converted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The header is invalid.
    #[error("this is not a valid {format} file: {what}")]
    Header {
        /// The expected format.
        format: WeightsFormat,
        /// What is wrong with it.
        what: String,
    },
    /// The header declares another size than the data has.
    #[error("the header of this {format} file declares {declared} bytes of data, but there are {found}")]
    Size {
        /// The format.
        format: WeightsFormat,
        /// Size according to the header.
        declared: u64,
        /// Actual size, in bytes.
        found: u64,
    },
    /// The size is not a multiple of the element size.
    #[error("{found} bytes are not a whole number of elements of {dtype}")]
    Elements {
        /// The dtype.
        dtype: Dtype,
        /// Actual size, in bytes.
        found: u64,
    },
    /// The expected shape needs another number of bytes.
    #[error("{} of {dtype} has {needed} bytes, but there are {found}", shaped(shape))]
    Shape {
        /// The expected shape.
        shape: Vec<u64>,
        /// The dtype.
        dtype: Dtype,
        /// Number of bytes that the shape needs.
        needed: u64,
        /// Actual size, in bytes.
        found: u64,
    },
    /// The file has another dtype than expected.
    #[error("the file says that its elements are {found}, not {expected}")]
    OtherDtype {
        /// The expected one.
        expected: Dtype,
        /// The one in the file.
        found: Dtype,
    },
    /// The file has another shape than expected.
    #[error("the file says that its shape is {}, not {}", found.as_deref().map_or_else(|| "no single one".to_owned(), shaped), shaped(expected))]
    OtherShape {
        /// The expected one.
        expected: Vec<u64>,
        /// The one in the file.
        found: Option<Vec<u64>>,
    },
    /// A shape was given for opaque bytes.
    #[error("a shape needs a dtype, and `opaque` has no elements")]
    NoElements,
    /// The number of bytes overflows 64 bits.
    #[error("a shape of {} has more bytes than can be counted", shaped(shape))]
    TooLarge {
        /// The shape.
        shape: Vec<u64>,
    },
    /// Elements smaller than a byte do not fill the last byte.
    #[error("a shape of {} with {bits} bits an element is not a whole number of bytes", shaped(shape))]
    Bits {
        /// The shape.
        shape: Vec<u64>,
        /// Number of bits of an element.
        bits: u64,
    },
    /// The text is not a JSON array of numbers.
    #[error("this is not a JSON array of numbers")]
    Json {
        /// Error of the parser, with its position.
        source: serde_json::Error,
    },
    /// The dtype cannot represent a number.
    #[error("element {index} is {number}, which {dtype} cannot represent")]
    Number {
        /// Index of the element, from 0.
        index: usize,
        /// The number as it is written.
        number: String,
        /// The dtype.
        dtype: Dtype,
    },
    /// The JSON text is too long.
    #[error("JSON is for small vectors, of at most {most} bytes")]
    LongJson {
        /// Maximum size, in bytes.
        most: usize,
    },
    /// A conversion would lose information.
    #[error("this cannot be converted to {to} without loss: {why}")]
    Lossy {
        /// The requested format.
        to: WeightsFormat,
        /// What would be lost.
        why: String,
    },
}

/// Formats a shape as on the command line: `3x4`.
fn shaped(shape: &(impl AsRef<[u64]> + ?Sized)) -> String {
    let numbers: Vec<String> = shape.as_ref().iter().map(u64::to_string).collect();
    if numbers.is_empty() { "a single number".to_owned() } else { format!("`{}`", numbers.join("x")) }
}
