//! Trains models, and keeps what they wrote as versions of their weights.

mod scratch;
mod trained_file;
mod training;
mod version;

pub(crate) use scratch::{Scratch, remove_abandoned};
pub(crate) use trained_file::TrainedFile;
pub use training::{TrainOptions, Training};
pub use version::NoVersion;
