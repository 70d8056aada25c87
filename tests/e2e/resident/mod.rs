//! The resident: models that stay warm between separate calls.

mod clients;
mod commands;
mod faults;
mod locations;
mod many_callers;
mod misbehaviour;
mod on_demand;
mod remote;
mod runs;
mod same;
mod service_manager;
mod silence;
mod support;
mod swapping;
mod users;
mod versions;
mod wire;
mod without_proc;
