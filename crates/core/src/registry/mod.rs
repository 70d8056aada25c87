//! The registry: the servers and models that `mer apply` reads and `mer export` writes.

mod carriage_returns;
mod check;
mod content;
mod error;
mod unmet_needs;
mod values;

pub use carriage_returns::OddText;
pub use content::Registry;
pub use error::RegistryError;
pub use unmet_needs::UnmetNeed;

#[cfg(test)]
mod tests;
