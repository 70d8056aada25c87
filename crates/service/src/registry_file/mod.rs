//! The registry as a TOML file.

mod error;
mod position;
mod read;
mod write;

pub use error::RegistryFileError;
pub use position::Position;
pub(crate) use read::carriage_return;
pub use read::{RegistryFile, read};
pub use write::write;

#[cfg(test)]
mod tests;
