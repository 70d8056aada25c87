//! The resident: models that stay warm between separate calls.

mod commands;
mod on_demand;
mod places;
mod runs;
mod same;
mod support;
