//! Removes a key of a server or model.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{ServiceError, similar};

/// Keys whose values are tables of which single entries can be removed.
const TABLES: [&str; 5] = ["env", "on", "needs", "resourceEnv", "resources"];

/// A key that every server has, and that cannot be removed.
const CONN_TYPE: &str = "connType";

/// Returns the value without this key, which may be one of a table: `env.NAME`, `on.SERVER`, `needs.gpu`. A known key that is
/// not set is no error; an unknown one, of a newer version, has to be set.
///
/// # Errors
/// [`ServiceError::UnknownKey`].
pub fn unset<T: Serialize + DeserializeOwned>(value: &T, key: &str, known: &[&str]) -> Result<T, ServiceError> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) if TABLES.contains(&first) => (first, Some(rest)),
        _ => (key, None),
    };
    let bug = |source| ServiceError::RemoveKey { key: key.to_owned(), source };
    let mut table = serde_json::to_value(value).map_err(bug)?;
    if !known.contains(&first) && (first == CONN_TYPE || table.get(first).is_none()) {
        return Err(unknown(key, known));
    }
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

#[cfg(test)]
mod tests {
    use mer_core::{ConnParams, ServerSpec};

    use super::*;

    #[test]
    fn a_key_of_a_newer_version_can_be_removed_where_it_is_set() {
        let json = r#"{"connType":"ssh","host":"h","later":{"x":1},"resources":{"gpu":1,"slots":2}}"#;
        let server: ServerSpec = serde_json::from_str(json).expect("a server");
        let known: Vec<&str> = ConnParams::KEYS.iter().copied().filter(|key| *key != CONN_TYPE).collect();
        assert!(unset(&server, "later", &known).expect("it is set").params.extra.is_empty());
        assert_eq!(unset(&server, "port", &known).expect("a known key"), server);
        assert_eq!(unset(&server, "resources.gpu", &known).expect("an entry").params.resources.len(), 1);
        for wrong in ["sooner", "later.x", "connType"] {
            assert!(matches!(unset(&server, wrong, &known), Err(ServiceError::UnknownKey { .. })), "{wrong}");
        }
    }
}
