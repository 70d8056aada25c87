//! The resident: models that stay warm between separate calls.

mod clients;
mod commands;
mod faults;
mod on_demand;
mod places;
mod runs;
mod same;
mod support;
mod wire;
