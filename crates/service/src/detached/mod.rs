//! Runs that outlive their caller: starting them, looking at them, and collecting their ends.
//!
//! Each look at a run that is over collects it: its end, what it wrote and the weights of a training go on record, once, however
//! many processes look.

mod collect;
mod fetch;
mod find;
mod judgement;
mod look;
mod marker;
mod received_files;
mod start;
mod steer;

pub use collect::CollectedRun;
pub use fetch::{FetchScope, FetchedFiles};
pub use find::FoundRun;
pub use judgement::failure_of;
pub use look::{DetachedStatus, Standing};
