//! The resident: models that stay warm between separate calls.

mod clients;
mod commands;
mod faults;
mod locations;
mod on_demand;
mod runs;
mod same;
mod support;
mod swapping;
mod wire;
