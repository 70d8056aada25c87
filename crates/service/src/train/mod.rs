//! Trains models, and keeps what they wrote as versions of their weights.

mod keep;
mod scratch;
mod training;

pub use keep::NotKept;
pub(crate) use scratch::remove_abandoned;
pub use training::{TrainOptions, Training};
