//! Who calls: for the log of accesses.

use std::collections::BTreeMap;

/// `user@host`. A container may have neither a user name nor a variable for it: then the number stands for it.
pub(super) fn name(environment: &BTreeMap<String, String>) -> String {
    let named = |variable: &str| environment.get(variable).filter(|name| !name.is_empty()).cloned();
    let user = named("USER").or_else(|| named("LOGNAME"));
    let user = user.unwrap_or_else(|| rustix::process::getuid().as_raw().to_string());
    format!("{user}@{}", host())
}

/// The name of this machine.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
