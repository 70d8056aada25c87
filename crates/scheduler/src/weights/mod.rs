//! Weights on their way to a model: they lie in a folder of the machine where it runs, by their hash, and are brought
//! there once.

mod alone;
mod cache;
mod error;
mod progress;

pub use cache::Cache;
pub(crate) use error::DeliveryError;
pub use progress::{Progress, Step};

use mer_core::ConnType;
use mer_meal::Executor;

use self::progress::Told;
use crate::{Placement, Weights};

/// The path of the weights where the placement is. They are brought there, unless they have been before.
pub(crate) async fn deliver(
    cache: &Cache,
    _executor: &Executor,
    placement: &Placement,
    weights: &Weights,
) -> Result<String, DeliveryError> {
    if placement.conn_type != ConnType::Local {
        let (version, server) = (weights.version.to_string(), placement.server.clone());
        return Err(DeliveryError::Elsewhere { version, server });
    }
    let told = Told::new(&weights.version, &placement.server, weights.progress.clone());
    cache.deliver(&weights.version, &told).await
}
