//! Test only: contract suites, real servers in temporary folders, fake models.

mod sample;
#[cfg(feature = "store")]
pub mod store_contract;

pub use sample::{ended, started};
