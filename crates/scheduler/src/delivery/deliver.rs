//! Delivers weights to a placement.

use std::{ffi::OsString, path::PathBuf};

use mer_core::check_sha256;
use mer_meal::{Cancel, CancelLevel, Executor};

use super::{cache::WeightsCache, error::DeliveryError, progress::DeliveryProgress, remote::RemoteDelivery};
use crate::{placement::Placement, request::Weights};

/// Returns the path of the weights on the server of the placement. They are transferred unless they are there already.
pub(crate) async fn deliver(
    cache: &WeightsCache,
    executor: &Executor,
    placement: &Placement,
    weights: &Weights,
    cancel: &Cancel,
) -> Result<OsString, DeliveryError> {
    // The hash becomes a file name, and the database is not trusted to hold a valid one.
    check_sha256("sha256", &weights.version.sha256)
        .map_err(|source| DeliveryError::Invalid { version: weights.version.to_string(), source })?;
    let progress = DeliveryProgress::new(&weights.version, &placement.server, weights.progress.clone());
    if !placement.is_here() {
        let delivery = RemoteDelivery { cache, executor, placement, weights, cancel };
        return delivery.deliver(&progress).await.map(OsString::from);
    }
    tokio::select! {
        biased;
        path = cache.deliver(&weights.version, &progress) => path.map(PathBuf::into_os_string),
        () = cancel.reached(CancelLevel::Cancel) => Err(DeliveryError::Cancelled),
    }
}
