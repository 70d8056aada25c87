//! Changes of the registry: what there is, what is to be there, and the difference.

mod change;
mod diff;
mod paths;
mod unset;

pub use change::{Plan, apply, change, plan, read, remove_model, remove_server, require_server};
pub use diff::{Change, Difference, KeyDifference, REDACTED, differences};
pub use unset::unset;
