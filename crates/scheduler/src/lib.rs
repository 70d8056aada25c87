//! One run from its request to its record: where it runs, with what, how long, and what is written down of it.
//!
//! The scheduler knows the data access layer (the journal) and the execution layer (processes), and neither of them
//! knows it. It reads no environment and no settings: whoever makes a [`Scheduler`] hands them in.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod caller_environment;
mod delivery;
mod digest;
mod error;
mod executors;
mod failure_cause;
mod handover;
mod outcome;
mod ping;
mod placement;
mod prepare;
mod request;
mod run_spec;
mod scheduler;
mod server_health;
mod train;
mod training_output;
mod wait;
mod warm_pool;

pub use caller_environment::CallerEnvironment;
pub use delivery::{Cache, DeliveryError, Progress, Step};
pub use error::SchedulerError;
pub use executors::Remote;
pub use failure_cause::FailureCause;
pub use outcome::Outcome;
pub use ping::PingReport;
pub use placement::Placement;
pub use request::{Asked, Delivery, Output, Receipt, Request, Undelivered, Weights};
pub use scheduler::{Config, Scheduler};
pub use train::{Trained, Training, Unkept};
pub use wait::{Wait, Watch};
