//! Trains models, and keeps what they wrote as versions of their weights.

mod scratch;
mod training;
mod version;

pub(crate) use scratch::remove_abandoned;
pub use training::{TrainOptions, Training};
pub use version::NoVersion;
