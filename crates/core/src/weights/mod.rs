//! Weights: versions of a model's vectors, their aliases, and how both are named.

mod alias;
mod dtype;
mod selector;
mod version;

pub use alias::{Alias, AliasMove, CURRENT_ALIAS};
pub use dtype::{Dtype, DtypeError};
pub use selector::{Selector, SelectorError, Which};
pub use version::{WeightsFormat, WeightsVersion, check_layout};
