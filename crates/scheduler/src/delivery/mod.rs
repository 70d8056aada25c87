//! Delivers weights to the server where a model runs. They lie in a folder there, named by their hash, and are transferred
//! once.

mod cache;
mod deliver;
mod error;
mod eviction;
mod lock;
mod payload_source;
mod progress;
mod remote;
mod remote_scripts;
mod verified;

pub use cache::WeightsCache;
pub(crate) use deliver::deliver;
pub use error::DeliveryError;
pub use progress::{DeliveryEvent, DeliveryObserver};
