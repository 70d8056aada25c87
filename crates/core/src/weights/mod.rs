//! Weights of models: versions, aliases, and selectors that name them.

mod alias;
mod dtype;
mod selector;
mod version;

pub use alias::{Alias, AliasMove, CURRENT_ALIAS};
pub use dtype::{Dtype, DtypeError};
pub use selector::{Selector, SelectorError, Which};
pub use version::{WeightsFormat, WeightsVersion, check_layout};
