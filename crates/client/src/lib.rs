//! Reaches the resident of this user and database: the process that keeps models and connections for separate calls.
//!
//! [`Location`] says where its socket is. [`Reservation::open`] asks it to run a model, and [`Reservation::run`] runs it
//! there. [`steer`] lists, loads and stops kept processes. [`wire`] is what both sides say to each other.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod connection;
mod error;
mod liveness;
mod location;
mod part;
mod part_host;
mod run;
mod send;
pub mod steer;
pub mod wire;

pub use error::ClientError;
pub use location::{Location, LocationError};
pub use part_host::ResidentHost;
pub use run::{Answer, Reservation, RunOutput};
