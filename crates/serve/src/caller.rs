//! The sender of a request, as the scheduler takes it.

use std::{ffi::OsString, sync::Arc};

use mer_client::wire::CallerContext;
use mer_core::Access;
use mer_scheduler::{CallerEnvironment, Requester};
use mer_service::Sender;
use uuid::Uuid;

/// Returns the sender of a request.
pub(crate) fn sender(request_uid: Uuid, context: CallerContext) -> Sender {
    let CallerContext { caller, claims, pid, folder, variables, agent } = context;
    let variables = variables.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    // It holds no secret: only the variables that name programs and libraries are sent.
    let environment = Arc::new(CallerEnvironment::new(variables.collect(), []));
    let requester = Arc::new(Requester { caller, claims, pid, environment, folder, agent });
    Sender { request_uid, requester, via: Access::VIA_RESIDENT.to_owned() }
}
