//! What `mer model add|set` changes of a model's processes.

use mer_core::ModelParams;

use super::put::put;
use crate::cli::{Need, ProcessFlags};

/// Sets what flags name. Needs are replaced as a whole, variables of resources one by one.
pub(super) fn set_process(params: &mut ModelParams, flags: &ProcessFlags) {
    let ProcessFlags { needs, resource_env, keepalive, pinned, instances, .. } = flags;
    let ProcessFlags { max_requests, max_age, max_memory, start_timeout, queue_timeout, queue_length, .. } = flags;
    if !needs.is_empty() {
        params.needs = needs.iter().map(|Need { resource, count }| (resource.clone(), *count)).collect();
    }
    for variable in resource_env {
        params.resource_env.insert(variable.name.clone(), variable.value.clone());
    }
    if *pinned {
        params.pinned = Some(true);
    }
    put(&mut params.keepalive, keepalive.as_ref());
    put(&mut params.instances, instances.as_ref());
    put(&mut params.max_requests, max_requests.as_ref());
    put(&mut params.max_age, max_age.as_ref());
    put(&mut params.max_memory, max_memory.as_ref());
    put(&mut params.start_timeout, start_timeout.as_ref());
    put(&mut params.queue_timeout, queue_timeout.as_ref());
    put(&mut params.queue_length, queue_length.as_ref());
    put(&mut params.max_run_time, flags.max_run_time.as_ref());
}
