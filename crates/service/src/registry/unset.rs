//! Removes a key of a server or model.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{ServiceError, similar};

/// Keys whose values are tables of which single entries can be removed.
const TABLES: [&str; 5] = ["env", "on", "needs", "resourceEnv", "resources"];

/// Returns the value without this key, which may be one of a table: `env.NAME`, `on.SERVER`, `needs.gpu`. A key that is not set is no error.
///
/// # Errors
/// [`ServiceError::UnknownKey`].
pub fn unset<T: Serialize + DeserializeOwned>(value: &T, key: &str, known: &[&str]) -> Result<T, ServiceError> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) if TABLES.contains(&first) => (first, Some(rest)),
        _ => (key, None),
    };
    if !known.contains(&first) {
        return Err(unknown(key, known));
    }
    let bug = |source| ServiceError::RemoveKey { key: key.to_owned(), source };
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

fn unknown(key: &str, known: &[&str]) -> ServiceError {
    ServiceError::UnknownKey {
        key: key.to_owned(),
        near: similar(&key.replace(['-', '_'], ""), known.iter().copied()),
        known: known.iter().map(|key| (*key).to_owned()).collect(),
    }
}
