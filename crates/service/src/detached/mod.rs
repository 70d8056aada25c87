//! Runs that outlive their caller: starting them, looking at them, and collecting their ends.
//!
//! Each look at a run that is over collects it: its end, what it wrote and the weights of a training go on record, once, however
//! many processes look.

mod collect;
mod fetch;
mod found_run;
mod judgement;
mod look;
mod marker;
mod received_files;
mod sight;
mod start;
mod steer;

pub use collect::CollectedRun;
pub use fetch::FetchScope;
pub use found_run::FoundRun;
pub use judgement::failure_of;
pub use look::{DetachedStatus, Standing};
pub use received_files::FetchedFiles;
pub use steer::AttemptEnd;
