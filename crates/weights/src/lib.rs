//! Weights as bytes: safetensors, npy, raw elements, and JSON arrays of numbers.
//!
//! Everything here is fed with bytes as they come and keeps none of them, but for headers and for JSON, which is for small
//! vectors. No input or output.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "test code: it is to panic"))]

mod convert;
mod detect;
mod element;
mod error;
mod head;
mod inspect;
mod json;
mod layout;
mod npy;
mod safetensors;
mod statistics;

pub use convert::Converter;
pub use detect::{HEAD, detect};
pub use error::WeightsError;
pub use inspect::{Given, Inspected, Inspector};
pub use layout::Tensor;
pub use statistics::{Extreme, Statistics};

#[cfg(test)]
mod tests;
