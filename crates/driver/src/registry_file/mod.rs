//! The registry as a TOML file: what `mer apply` reads and `mer export` writes.

mod read;
mod write;

pub(crate) use read::{carriage_return, read};
pub(crate) use write::write;

#[cfg(test)]
mod tests;
