//! Versions of weights: which one a name means, putting, reading, aliases, removal.

mod aliases;
mod intake;
mod list;
mod put;
mod read;
mod remove;
mod resolve;

pub use aliases::{alias_history, move_alias, remove_alias};
pub(crate) use intake::Intake;
pub use list::list;
pub use put::{NewWeights, PreparedPut, Put, prepare_put};
pub use read::{Reader, inspect};
pub use remove::{collect_garbage, remove};
pub use resolve::{NamedVersion, current, resolve, version};
