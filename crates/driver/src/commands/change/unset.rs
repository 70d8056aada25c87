//! Keys that are taken away.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::errors::CliError;

/// The value without this key. One that is not set is no error; one that cannot be is.
///
/// # Errors
/// There is no such key (64).
pub(super) fn unset<T: Serialize + DeserializeOwned>(value: &T, key: &str, known: &[&str]) -> Result<T, CliError> {
    let (first, rest) = match key.split_once('.') {
        Some((first @ ("env" | "on"), rest)) => (first, Some(rest)),
        _ => (key, None),
    };
    if !known.contains(&first) {
        return Err(unknown(key, known));
    }
    let bug = |error: serde_json::Error| CliError::bug(format!("`{key}` cannot be taken away")).caused_by(error);
    let mut table = serde_json::to_value(value).map_err(bug)?;
    if let Value::Object(keys) = &mut table {
        match (rest, keys.get_mut(first)) {
            (Some(name), Some(Value::Object(inner))) => drop(inner.remove(name)),
            (Some(_), _) => {}
            (None, _) => drop(keys.remove(first)),
        }
    }
    serde_json::from_value(table).map_err(bug)
}

fn unknown(key: &str, known: &[&str]) -> CliError {
    let error = CliError::usage(format!("`--unset {key}`: there is no such key"));
    let near = crate::errors::did_you_mean(&key.replace(['-', '_'], ""), known.iter().copied());
    error.hint(near.unwrap_or_else(|| format!("known keys: {}", known.join(", "))))
}
