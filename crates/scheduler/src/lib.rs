//! One run from its request to its record: where it runs, with what, how long, and what is written down of it.
//!
//! The scheduler knows the data access layer (the journal) and the execution layer (processes), and neither of them
//! knows it. It reads no environment and no settings: whoever makes a [`Scheduler`] hands them in.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod attempt;
mod digest;
mod down;
mod environment;
mod error;
mod executors;
mod failure_cause;
mod handover;
mod out;
mod outcome;
mod ping;
mod placement;
mod pool;
mod request;
mod scheduler;
mod spec;
mod train;
mod watch;
mod weights;

pub use environment::CallerEnvironment;
pub use error::SchedulerError;
pub use executors::Remote;
pub use failure_cause::FailureCause;
pub use outcome::Outcome;
pub use ping::PingReport;
pub use placement::Placement;
pub use request::{Asked, Delivery, Output, Receipt, Request, Undelivered, Weights};
pub use scheduler::{Config, Scheduler};
pub use train::{Trained, Training, Unkept};
pub use watch::{Wait, Watch};
pub use weights::{Cache, DeliveryError, Progress, Step};
