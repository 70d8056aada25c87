//! Runs that outlive their caller: placing them, looking at them, and bringing what they left.

mod detachment;
mod error;
mod host;
mod input;
mod launch;
mod record;

pub use detachment::{DetachOptions, Detached, collected_within};
pub use error::DetachedError;
pub use host::{DetachedHost, OutputDigest, OutputStream};
