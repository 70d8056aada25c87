//! What the resident is told of a request and of its caller.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mer_client::wire::{CallerContext, Open, VARIABLES};
use mer_service::{Caller, RunRequest};
use uuid::Uuid;

use crate::variables::Variables;

/// Returns the caller, as the resident takes it. None if its folder or one of the variables is no text: such a caller runs
/// its models itself.
pub(super) fn caller_context(caller: &Caller, environment: &Variables, folder: &Path) -> Option<CallerContext> {
    // Such a folder cannot be named in JSON; an empty one could not be found out.
    let folder = PathBuf::from(folder.to_str().filter(|folder| !folder.is_empty())?);
    let mut variables = BTreeMap::new();
    for name in VARIABLES {
        if let Some(value) = environment.all().get(std::ffi::OsStr::new(name)) {
            variables.insert(name.to_owned(), value.to_str()?.to_owned());
        }
    }
    Some(CallerContext {
        caller: caller.name.clone(),
        claims: caller.claims.clone(),
        pid: caller.pid,
        folder,
        variables,
        agent: environment.path("SSH_AUTH_SOCK").filter(|path| path.to_str().is_some()),
    })
}

/// Returns the first message of a run.
pub(super) fn open_message(
    model: &str,
    request: &RunRequest<'_>,
    diagnostics: bool,
    takes_back: bool,
    context: &CallerContext,
) -> Open {
    Open {
        mer_version: env!("CARGO_PKG_VERSION").to_owned(),
        request_uid: Uuid::now_v7(),
        model: model.to_owned(),
        server: request.server.map(str::to_owned),
        timeout: request.timeout,
        hashes: request.hashes,
        retries: request.retries,
        retry_failed: request.retry_failed,
        priority: request.priority,
        batch_uid: request.batch_uid,
        registration_sha256: None,
        attempts_made: 0,
        part: None,
        tags: request.tags.clone(),
        diagnostics,
        progress: request.progress.is_some(),
        takes_back,
        context: context.clone(),
    }
}
