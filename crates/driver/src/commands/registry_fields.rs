//! Fields that servers and models have in common.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mer_core::Registry;
use mer_service::registry_file;
use serde::Serialize;
use serde_json::Value;

/// The JSON of an object with every key that it can have, so that a program need not know which may be missing.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a, T: Serialize> {
    #[serde(flatten)]
    item: &'a T,
    #[serde(flatten)]
    absent: BTreeMap<&'static str, Value>,
}

impl<'a, T: Serialize> Whole<'a, T> {
    /// `keys` are all keys that it can have. A key that is not set gets its default, or `null`.
    pub(super) fn new(item: &'a T, keys: &[&'static str], defaults: &[(&'static str, Value)]) -> Self {
        let own = serde_json::to_value(item).unwrap_or_default();
        let default =
            |key| defaults.iter().find(|(known, _)| *known == key).map_or(Value::Null, |(_, value)| value.clone());
        let absent = keys.iter().filter(|key| own.get(**key).is_none()).map(|key| (*key, default(*key))).collect();
        Self { item, absent }
    }
}

/// Name, uid, times, and the object as TOML, which `mer apply` can read.
pub(super) fn registered(
    name: &str,
    uid: &str,
    created_at: Timestamp,
    last_updated: Timestamp,
    itself: &Registry,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("name", name.to_owned()),
        ("uid", uid.to_owned()),
        ("created", format!("{created_at:.6}")),
        ("updated", format!("{last_updated:.6}")),
    ];
    if let Ok(tables) = registry_file::write(itself) {
        fields.push(("registered as", tables));
    }
    fields
}
