//! Limits: what a server has, what a process takes of it, and the wait until it is free.
//!
//! Start reading at [`Limits::acquire`]. Nothing of this is touched where nothing is limited.

mod acquire;
mod ask;
mod attempt;
mod config;
mod demand;
mod error;
mod evictor;
mod guard;
mod last_owners;
mod shared;
mod turn_queue;
mod unit;
mod unit_locks;

pub(crate) use acquire::Limits;
pub(crate) use ask::UnitsAsk;
pub use config::LimitsConfig;
pub(crate) use error::LimitError;
pub use error::LimitsError;
pub(crate) use evictor::MakeRoom;
pub(crate) use guard::UnitsGuard;
pub use shared::{SharedClaim, SharedFuture, SharedLimits, SharedLimitsError, SharedTake};
pub use unit::Unit;
