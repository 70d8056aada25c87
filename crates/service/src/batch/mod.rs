//! Executes the parts of a batch.
//!
//! [`BatchRunner`] is what a batch hands its parts to. It chooses the server of each, and a [`PartHost`] runs it there:
//! [`LocalHost`] with the scheduler of this process.

mod capacity;
mod end;
mod host;
mod item_feed;
mod local_host;
mod outage_bound;
mod request;
mod runner;
mod single;
mod subject;

pub use end::PartFailure;
pub use host::{HostFuture, PartCall, PartHost};
pub use item_feed::{ItemFeed, ReplyFeed};
pub use local_host::LocalHost;
pub use outage_bound::outage_bound;
pub use request::{BatchRequest, OutcomeHint};
pub use runner::BatchRunner;
pub use subject::subject;
