//! Chooses where a model runs: in the resident, which keeps models for separate calls, or in this process.
//!
//! Start reading at [`Engine::prepare`].

mod address;
mod batch;
mod choice;
mod detach;
mod message;
mod on_demand;
mod relay;
mod running;

pub(crate) use address::own_program;
pub(crate) use choice::{AskResident, Engine};
pub(crate) use detach::{close_descriptors_of_caller, leave_starter};
pub(crate) use on_demand::NotStarted;
pub(crate) use relay::from_resident;
pub(crate) use running::database_location;
