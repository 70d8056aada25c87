//! What can be wrong with weights.

use mer_core::{Dtype, WeightsFormat};
use thiserror::Error;

/// Weights that are not what they are said to be, or that cannot become what is asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The header cannot be read.
    #[error("this is no {format} file: {what}")]
    Header {
        /// What it was taken for.
        format: WeightsFormat,
        /// What is wrong with it.
        what: String,
    },
    /// The header says another size than there is.
    #[error("the header of this {format} file tells of {told} bytes of data, and there are {found}")]
    Size {
        /// The format.
        format: WeightsFormat,
        /// What the header says.
        told: u64,
        /// What there is.
        found: u64,
    },
    /// The bytes are no whole number of elements.
    #[error("{found} bytes are not a whole number of elements of {dtype}")]
    Elements {
        /// The type.
        dtype: Dtype,
        /// How many bytes there are.
        found: u64,
    },
    /// The shape that was given asks for another number of bytes.
    #[error("{} of {dtype} has {told} bytes, and there are {found}", shaped(shape))]
    Shape {
        /// As it was given.
        shape: Vec<u64>,
        /// The type.
        dtype: Dtype,
        /// What they ask for.
        told: u64,
        /// What there is.
        found: u64,
    },
    /// The file says another dtype than was given.
    #[error("the file says that its elements are {found}, not {given}")]
    OtherDtype {
        /// What was given.
        given: Dtype,
        /// What the file says.
        found: Dtype,
    },
    /// The file says another shape than was given.
    #[error("the file says that its shape is {}, not {}", found.as_deref().map_or_else(|| "no single one".to_owned(), shaped), shaped(given))]
    OtherShape {
        /// What was given.
        given: Vec<u64>,
        /// What the file says.
        found: Option<Vec<u64>>,
    },
    /// A shape without elements to count.
    #[error("a shape needs a dtype, and `opaque` has no elements")]
    NoElements,
    /// More than numbers overflow at.
    #[error("a shape of {} has more bytes than can be", shaped(shape))]
    TooLarge {
        /// The shape.
        shape: Vec<u64>,
    },
    /// Elements that are smaller than a byte, and do not fill the last one.
    #[error("a shape of {} with {bits} bits an element is no whole number of bytes", shaped(shape))]
    Bits {
        /// The shape.
        shape: Vec<u64>,
        /// How many bits an element has.
        bits: u64,
    },
    /// No JSON array of numbers.
    #[error("this is no JSON array of numbers")]
    Json {
        /// Where, and why.
        source: serde_json::Error,
    },
    /// A number that the type does not have.
    #[error("element {index} is {number}, which {dtype} does not have")]
    Number {
        /// Counts from 0.
        index: usize,
        /// As it is written.
        number: String,
        /// The type.
        dtype: Dtype,
    },
    /// JSON is for small vectors.
    #[error("JSON is for small vectors, of at most {most} bytes")]
    LongJson {
        /// The bound.
        most: usize,
    },
    /// A conversion would lose something.
    #[error("this cannot be made {to} without losing something: {why}")]
    Lossy {
        /// What was asked for.
        to: WeightsFormat,
        /// What would be lost.
        why: String,
    },
}

/// A shape as people write it on the command line: `3x4`.
fn shaped(shape: &(impl AsRef<[u64]> + ?Sized)) -> String {
    let numbers: Vec<String> = shape.as_ref().iter().map(u64::to_string).collect();
    if numbers.is_empty() { "a single number".to_owned() } else { format!("`{}`", numbers.join("x")) }
}
