//! Runs that outlive their caller: placing them, looking at them, and bringing what they left.

mod error;
mod host;
mod input;
mod launch;
mod place;
mod record;

pub use error::DetachedError;
pub use host::{DetachedHost, OutputDigest, OutputStream};
pub use place::{DetachOptions, Detached};
