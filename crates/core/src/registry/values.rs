//! Checks the values of single keys, as far as their types leave them open.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::RegistryError;
use crate::{ConnParams, Dtype, LOCAL_SERVER, MOST_UNITS, ModelParams, is_resource_name};

/// Keys that rows of parameters have in a database.
const OF_DATABASES: [&str; 3] = ["id", "uid", "linked"];

/// Checks the values of a server, with the same rules as the flags of `mer server add`.
pub(super) fn check_server(name: &str, params: &ConnParams) -> Result<(), RegistryError> {
    let wrong = |key, what: &str| {
        Err(RegistryError::Value { object: "server", name: name.to_owned(), key, what: what.to_owned() })
    };
    if params.port == Some(0) {
        return wrong("port", "is 0; ports are 1 to 65535");
    }
    if params.max_sessions == Some(0) {
        return wrong("maxSessions", "is 0; one connection at least is needed");
    }
    if params.launcher.as_deref().is_some_and(names_no_program) {
        return wrong("launcher", "names no program");
    }
    if params.launcher_remote == Some(true) && params.launcher.is_none() {
        return wrong("launcherRemote", "is set, and there is no `launcher`");
    }
    if params.password_command.as_ref().is_some_and(|words| words.is_empty() || names_no_program(words)) {
        return wrong("passwordCommand", "names no program");
    }
    if name == LOCAL_SERVER {
        let settings = "is set; `local` is each machine, and what it has stands in its `mer.toml`";
        if !params.resources.is_empty() {
            return wrong("resources", settings);
        }
        if params.pool.is_some() {
            return wrong("pool", settings);
        }
    }
    if let Some(pool) = &params.pool
        && !is_resource_name(pool)
    {
        return wrong("pool", "is no name; names are made of letters, digits, `_` and `-`");
    }
    for (resource, amount) in &params.resources {
        if !is_resource_name(resource) {
            return wrong("resources", &format!("name {resource:?}; names are made of letters, digits, `_` and `-`"));
        }
        if let Err(what) = amount.check() {
            return wrong("resources", &format!("are not possible: `{resource}` {what}"));
        }
    }
    if let Err((key, what)) = params.slurm.check() {
        return wrong(key, &what);
    }
    let one = |text: &Option<String>| text.iter().cloned().collect::<Vec<_>>();
    check_extra("server", name, &params.extra)?;
    for (key, texts) in [
        ("host", one(&params.host)),
        ("user", one(&params.user)),
        ("identityFile", one(&params.identity_file)),
        ("knownHosts", one(&params.known_hosts)),
        ("proxyJump", one(&params.proxy_jump)),
        ("password", one(&params.password)),
        ("passwordEnv", one(&params.password_env)),
        ("passwordFile", one(&params.password_file)),
        ("passwordCommand", params.password_command.clone().unwrap_or_default()),
        ("launcher", params.launcher.clone().unwrap_or_default()),
        ("cacheDir", one(&params.cache_dir)),
        ("extra", params.slurm.extra_options.clone().unwrap_or_default()),
    ] {
        no_nul("server", name, key, &texts)?;
    }
    Ok(())
}

/// Checks the values of a model, with the same rules as the flags of `mer model add`, and that weights of its shape can exist.
pub(super) fn check_model(name: &str, params: &ModelParams) -> Result<(), RegistryError> {
    let wrong = |key, what: String| Err(RegistryError::Value { object: "model", name: name.to_owned(), key, what });
    if params.launcher.as_deref().is_some_and(names_no_program) {
        return wrong("launcher", "names no program".to_owned());
    }
    if params.launcher_remote == Some(true) && params.launcher.is_none() {
        return wrong("launcherRemote", "is set, and the model has no `launcher`".to_owned());
    }
    check_needs(name, params)?;
    check_extra("model", name, &params.extra)?;
    let Some(shape) = &params.weights_shape else { return Ok(()) };
    if let Some(length) = shape.iter().find(|length| i64::try_from(**length).is_err()) {
        return wrong("weightsShape", format!("has a length of {length}; the greatest is {}", i64::MAX));
    }
    let size = params.weights_dtype.and_then(Dtype::size).unwrap_or(1) as u64;
    let bytes = shape.iter().try_fold(size, |all, length| all.checked_mul(*length));
    if !shape.contains(&0) && bytes.is_none_or(|bytes| i64::try_from(bytes).is_err()) {
        return wrong("weightsShape", "asks for more bytes than the databases count".to_owned());
    }
    Ok(())
}

/// Checks what a process of the model takes, and the bounds of kept processes.
fn check_needs(name: &str, params: &ModelParams) -> Result<(), RegistryError> {
    let wrong = |key, what: String| Err(RegistryError::Value { object: "model", name: name.to_owned(), key, what });
    for (resource, count) in &params.needs {
        if !is_resource_name(resource) {
            let what = format!("names the resource {resource:?}; names are made of letters, digits, `_` and `-`");
            return wrong("needs", what);
        }
        if *count == 0 || *count > MOST_UNITS {
            return wrong("needs", format!("asks for {count} of `{resource}`; from 1 to {MOST_UNITS} are possible"));
        }
    }
    for (resource, variable) in &params.resource_env {
        if !is_resource_name(resource) || variable.is_empty() || variable.contains(['=', '\0']) {
            return wrong("resourceEnv", format!("has `{resource}` = {variable:?}, which names no variable"));
        }
    }
    let zeros = [
        ("instances", params.instances.map(u64::from)),
        ("maxRequests", params.max_requests),
        ("queueLength", params.queue_length.map(u64::from)),
    ];
    match zeros.into_iter().find(|(_, value)| *value == Some(0)) {
        Some((key, _)) => wrong(key, "is 0; it is 1 at least".to_owned()),
        None => Ok(()),
    }
}

/// Checks that every database can hold the keys of a newer version.
fn check_extra(object: &'static str, name: &str, extra: &BTreeMap<String, Value>) -> Result<(), RegistryError> {
    if let Some(key) = OF_DATABASES.into_iter().find(|key| extra.contains_key(*key)) {
        let what = "is a key that the databases need for themselves".to_owned();
        return Err(RegistryError::Value { object, name: name.to_owned(), key, what });
    }
    match extra.iter().find(|(key, value)| key.contains('\0') || has_nul(value)) {
        Some((key, _)) => Err(RegistryError::Nul { object, name: name.to_owned(), key: key.clone() }),
        None => Ok(()),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(table) => table.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a launcher has an empty program. An empty list is allowed: it removes the launcher of a lower layer.
fn names_no_program(words: &[String]) -> bool {
    words.first().is_some_and(String::is_empty)
}

pub(super) fn no_nul<'a>(
    object: &'static str,
    name: &str,
    key: &str,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<(), RegistryError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(RegistryError::Nul { object, name: name.to_owned(), key: key.to_owned() });
    }
    Ok(())
}
