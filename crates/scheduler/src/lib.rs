//! Runs one request to a model, from choosing the server to recording the end.
//!
//! Start reading at [`Scheduler::run`] (`run.rs`), which takes a request through these steps:
//!
//! 1. `attempts.rs`: chooses the server that serves it soonest (`replica.rs`, `kept/standing.rs`); servers that were
//!    unreachable a moment ago come last (`server_health.rs`). Attempts that failed are made again elsewhere
//!    (`itinerary.rs`).
//! 2. `prepare.rs`: takes a kept process from the pool (`kept/`) or starts one (`start.rs`), with its weights delivered to
//!    that server (`delivery/`), and records the start before.
//!    Where the server has limits, the units that a process needs are waited for before (`limits/`).
//! 3. `serve.rs`: sends the input and forwards the output (`output_forwarding.rs`).
//! 4. `record.rs`: records the end.
//!
//! Parts of a batch ([`Scheduler::run_part`], `part.rs`) take the same steps on one process with several items;
//! `batch_places.rs` says how many of them run at once, and where. Trainings ([`Scheduler::train`]) take the same steps and fetch what the model wrote.
//!
//! The scheduler knows the data access layer (the journal) and the execution layer (processes), and neither of them knows
//! it. It reads no environment and no settings: the caller passes them in as [`Config`].

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod attempt_observer;
mod attempts;
mod batch_places;
mod caller_environment;
mod delivery;
mod detached;
mod digest;
mod error;
mod executors;
mod failure_cause;
mod input;
mod itinerary;
mod jitter;
mod kept;
mod limits;
mod lost_attempt;
mod outcome;
mod output_confirmation;
mod output_forwarding;
mod part;
mod ping;
mod placement;
mod prepare;
mod processes;
mod record;
mod remote_shell;
mod replay;
mod replica;
mod request;
mod run;
mod run_spec;
mod scheduler;
mod serve;
mod server_health;
mod start;
mod train;
mod training_fetch;
mod training_output;
mod wait;

pub use attempt_observer::{AttemptObserver, FurtherAttempt};
pub use batch_places::{BatchPlaces, PlaceUse};
pub use caller_environment::{CallerEnvironment, is_of_service_manager};
pub use delivery::{DeliveryError, DeliveryEvent, DeliveryObserver, WeightsCache};
pub use detached::{
    DetachOptions, Detached, DetachedError, DetachedHost, OutputDigest, OutputStream, collected_within,
};
pub use error::SchedulerError;
pub use executors::ExecutorFactory;
pub use failure_cause::FailureCause;
pub use kept::Selection;
pub use limits::{
    LimitsConfig, LimitsError, SharedClaim, SharedFuture, SharedLimits, SharedLimitsError, SharedTake, Unit,
};
pub use lost_attempt::LostAttempt;
pub use outcome::Outcome;
pub use output_confirmation::{ConfirmationSender, ExpectedSuccess, OutputConfirmation, OutputFailure};
pub use part::{PartFeed, PartOutcome};
pub use ping::ModelPingReport;
pub use placement::Placement;
pub use replay::ReplayedInput;
pub use request::{Output, Request, Requester, Retention, Weights};
pub use scheduler::{Config, Scheduler};
pub use train::{Trained, Training, TrainingFailure};
pub use wait::{Wait, WaitObserver};
