//! The difference between two registries, object by object and key by key.

use std::collections::{BTreeMap, BTreeSet};

use mer_core::Registry;
use serde::Serialize;
use serde_json::Value;

/// Stands for a secret in whatever is shown.
pub const REDACTED: &str = "(redacted)";

/// How an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It has other keys or values.
    Changed,
    /// It is the same.
    Unchanged,
    /// It is gone.
    Removed,
}

/// The difference in one object. A secret is never among the values: where one changes, both values are [`REDACTED`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `server` or `model`.
    pub object: &'static str,
    /// Its name.
    pub name: String,
    /// How it differs.
    pub change: Change,
    /// The keys in which it differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyDifference>,
}

/// One key, with its values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyDifference {
    /// The key as it is reached in a registry file: `env.NAME`, `on.SERVER.modelPath`.
    pub key: String,
    /// The value before, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Compares each object of `wanted` with the one of the same name in `known`. Objects that `wanted` does not name are left
/// out.
#[must_use]
pub fn differences(known: &Registry, wanted: &Registry) -> Vec<Difference> {
    let servers =
        wanted.servers.iter().map(|(name, spec)| Difference::of("server", name, known.servers.get(name), spec));
    let models = wanted.models.iter().map(|(name, spec)| Difference::of("model", name, known.models.get(name), spec));
    servers.chain(models).collect()
}

impl Difference {
    fn of<T: Serialize + PartialEq>(object: &'static str, name: &str, before: Option<&T>, after: &T) -> Self {
        let change = match before {
            None => Change::Added,
            Some(before) if before == after => Change::Unchanged,
            Some(_) => Change::Changed,
        };
        let keys = if change == Change::Unchanged {
            Vec::new()
        } else {
            changed_keys(&before.map(flat).unwrap_or_default(), &flat(after))
        };
        Self { object, name: name.to_owned(), change, keys }
    }

    /// The difference of an object that was removed.
    pub(crate) fn removed(object: &'static str, name: &str) -> Self {
        Self { object, name: name.to_owned(), change: Change::Removed, keys: Vec::new() }
    }

    /// Whether the object differs.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.change != Change::Unchanged
    }
}

fn changed_keys(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<KeyDifference> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            let shown = |value: &Value| if key == "password" { REDACTED.into() } else { value.clone() };
            let (before, after) = (before.get(key).map(shown), after.get(key).map(shown));
            KeyDifference { key: key.clone(), before, after }
        })
        .collect()
}

/// The values by key, as keys are reached in a registry file.
fn flat(spec: &impl Serialize) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, value: Value, keys: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                    walk(&key, value, keys);
                }
            }
            value => drop(keys.insert(prefix.to_owned(), value)),
        }
    }
    let mut keys = BTreeMap::new();
    walk("", serde_json::to_value(spec).unwrap_or_default(), &mut keys);
    keys
}
