//! Whole batches, with a runner that answers, waits, dies and lies.

mod bad_results;
mod failing;
mod fake_runner;
mod generated;
mod harness;
mod resuming;
mod running;
mod stopping;
