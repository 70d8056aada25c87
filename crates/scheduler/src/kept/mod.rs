//! Processes that are kept for further requests: the pool of them, and their life.
//!
//! A request takes a process from the [`Pool`] as a [`Lease`], or is given a [`StartPermit`], with which it starts one. Dropping
//! either gives it back. [`group`] decides which request is served; it is plain data and does nothing by itself.

mod acquire;
mod back_off;
mod entry;
mod eviction;
mod group;
mod housekeeping;
mod key;
mod lease;
mod life;
mod list;
mod pool;
mod process;
mod selection;
mod standing;
mod start_failure;
mod starting;
mod stop;
mod wait_queue;

pub(crate) use acquire::{Acquired, Ask};
pub(crate) use lease::{Lease, StartPermit};
pub(crate) use life::{Life, QUEUE_TIMEOUT};
pub(crate) use pool::Pool;
pub(crate) use process::{PooledProcess, StderrObserver, stop_now};
pub use selection::Selection;
pub(crate) use standing::Standing;
