//! Which items run when: the window of items that are not over, the parts that run, and the counts.

mod part_run;
mod tally;
mod window;

pub(crate) use part_run::{Culprit, MOST_TIME, MOST_TIME_OF_STREAM, PartRun, verdict};
pub(crate) use tally::Tally;
pub(crate) use window::Window;

#[cfg(test)]
mod tests;
