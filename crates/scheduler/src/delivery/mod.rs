//! Weights on their way to a model: they lie in a folder of the machine where it runs, by their hash, and are brought
//! there once.

mod cache;
mod error;
mod lock;
mod payload_source;
mod progress;
mod remote;
mod remote_scripts;
mod verified;

pub use cache::Cache;
pub use error::DeliveryError;
pub use progress::{Progress, Step};

use std::{ffi::OsString, path::PathBuf};

use mer_core::{ConnType, check_sha256};
use mer_meal::{Cancel, CancelLevel, Executor};

use self::{progress::Told, remote::There};
use crate::{Placement, Weights};

/// The path of the weights where the placement is. They are brought there, unless they have been before.
pub(crate) async fn deliver(
    cache: &Cache,
    executor: &Executor,
    placement: &Placement,
    weights: &Weights,
    cancel: &Cancel,
) -> Result<OsString, DeliveryError> {
    // It becomes the name of a file, here and there, and the database may say anything.
    check_sha256("sha256", &weights.version.sha256)
        .map_err(|source| DeliveryError::Invalid { version: weights.version.to_string(), source })?;
    let told = Told::new(&weights.version, &placement.server, weights.progress.clone());
    if placement.conn_type != ConnType::Local {
        return There { cache, executor, placement, weights, cancel }.deliver(&told).await.map(OsString::from);
    }
    tokio::select! {
        biased;
        path = cache.deliver(&weights.version, &told) => path.map(PathBuf::into_os_string),
        () = cancel.reached(CancelLevel::Cancel) => Err(DeliveryError::Cancelled),
    }
}
