//! Errors of weights.

use mer_core::{Dtype, WeightsFormat};
use thiserror::Error;

/// Weights that are not what they claim to be, or that cannot be converted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The header cannot be read.
    #[error("this is not a valid {format} file: {what}")]
    Header {
        /// The format that was assumed.
        format: WeightsFormat,
        /// What is wrong with it.
        what: String,
    },
    /// The header claims another size than the file has.
    #[error("the header of this {format} file says {told} bytes of data, and there are {found}")]
    Size {
        /// The format.
        format: WeightsFormat,
        /// Bytes of data by the header.
        told: u64,
        /// Bytes of data in the file.
        found: u64,
    },
    /// The bytes are not a whole number of elements.
    #[error("{found} bytes are not a whole number of elements of {dtype}")]
    Elements {
        /// The type of the elements.
        dtype: Dtype,
        /// Number of bytes.
        found: u64,
    },
    /// The given shape has another number of bytes than the file.
    #[error("{} of {dtype} has {told} bytes, and there are {found}", shaped(shape))]
    Shape {
        /// The given shape.
        shape: Vec<u64>,
        /// The type of the elements.
        dtype: Dtype,
        /// Bytes that shape and type have.
        told: u64,
        /// Bytes of data in the file.
        found: u64,
    },
    /// The file has another dtype than the given one.
    #[error("the file says that its elements are {found}, not {given}")]
    OtherDtype {
        /// The given value.
        given: Dtype,
        /// The value in the file.
        found: Dtype,
    },
    /// The file has another shape than the given one.
    #[error("the file says that its shape is {}, not {}", found.as_deref().map_or_else(|| "no single one".to_owned(), shaped), shaped(given))]
    OtherShape {
        /// The given value.
        given: Vec<u64>,
        /// The value in the file.
        found: Option<Vec<u64>>,
    },
    /// A shape was given without a dtype, so that its elements have no size.
    #[error("a shape needs a dtype, and `opaque` has no elements")]
    NoElements,
    /// The number of bytes overflows.
    #[error("a shape of {} has too many bytes", shaped(shape))]
    TooLarge {
        /// The shape.
        shape: Vec<u64>,
    },
    /// The elements are smaller than a byte, and do not fill the last byte.
    #[error("a shape of {} with {bits} bits an element is not a whole number of bytes", shaped(shape))]
    Bits {
        /// The shape.
        shape: Vec<u64>,
        /// Bits of an element.
        bits: u64,
    },
    /// The text is not a JSON array of numbers.
    #[error("this is not a JSON array of numbers")]
    Json {
        /// The error of the parser, with its position.
        source: serde_json::Error,
    },
    /// The type cannot represent a number.
    #[error("element {index} is {number}, which {dtype} does not have")]
    Number {
        /// Index of the element, from 0.
        index: usize,
        /// The number as written.
        number: String,
        /// The type of the elements.
        dtype: Dtype,
    },
    /// The JSON is longer than what is allowed.
    #[error("JSON is for small vectors, of at most {most} bytes")]
    LongJson {
        /// The bound, in bytes.
        most: usize,
    },
    /// A conversion would lose information.
    #[error("this cannot be made {to} without losing something: {why}")]
    Lossy {
        /// The target format.
        to: WeightsFormat,
        /// What would be lost.
        why: String,
    },
}

/// Formats a shape as it is written on the command line: `3x4`.
fn shaped(shape: &(impl AsRef<[u64]> + ?Sized)) -> String {
    let numbers: Vec<String> = shape.as_ref().iter().map(u64::to_string).collect();
    if numbers.is_empty() { "a single number".to_owned() } else { format!("`{}`", numbers.join("x")) }
}
