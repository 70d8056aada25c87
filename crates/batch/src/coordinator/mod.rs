//! The task of a batch.

mod items;
mod outage;
mod parts;
mod state;

pub(crate) use state::Coordinator;
