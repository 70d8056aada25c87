//! File formats of weights: safetensors, npy, raw elements, and JSON arrays of numbers.
//!
//! [`detect`] recognises a format, [`Inspector`] validates a file and collects its [`Statistics`], and [`Converter`] converts it
//! to another format without loss. They process a file in pieces as it arrives, and keep only its header in memory, except
//! for JSON, which is meant for small vectors. The crate does no I/O.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests may panic"))]

mod convert;
mod detect_format;
mod element;
mod error;
mod header_reader;
mod inspect;
mod json;
mod layout;
mod npy;
mod safetensors;
mod statistics;

pub use convert::Converter;
pub use detect_format::{DETECT_BYTES, detect};
pub use error::WeightsError;
pub use inspect::{Given, Inspected, Inspector};
pub use layout::Tensor;
pub use statistics::{Extreme, Statistics};

#[cfg(test)]
mod tests;
