//! How long a batch goes on trying while no server can be reached.

use std::time::Duration;

use mer_core::Bound;

use crate::api::ResolvedModel;

/// The default of `queueTimeout`.
const DEFAULT: Bound = Bound::secs(600);

/// Returns how long a batch goes on trying while no server can be reached: the longest `queueTimeout` of the model on the
/// servers that may serve it.
#[must_use]
pub fn outage_bound(model: &ResolvedModel, server: Option<&str>) -> Duration {
    let spec = &model.model().spec;
    let bounds = spec.servers_within(server).map(|name| spec.on_server(name).queue_timeout.unwrap_or(DEFAULT));
    bounds.map(|bound| bound.duration().unwrap_or(Duration::MAX)).max().unwrap_or(Duration::MAX)
}
