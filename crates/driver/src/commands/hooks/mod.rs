//! Commands that are run when a run is over: `--on-end` and `--on-failure`.

mod ended;
mod execute;
mod sequence;

pub(crate) use ended::Ended;
pub(super) use ended::Subject;
pub(super) use sequence::{run_hooks, with_hooks};
