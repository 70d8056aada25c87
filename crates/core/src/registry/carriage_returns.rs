//! Finds carriage returns in the texts of a registry.

use serde::Serialize;
use serde_json::Value;

use super::content::Registry;

/// A text with a carriage return in it. It usually comes from a file with Windows line ends, and becomes an invisible part of a
/// command, a path or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddText {
    /// `server` or `model`.
    pub object: &'static str,
    /// Name of the object.
    pub name: String,
    /// The key, such as `inferenceCommand`, `env.A` or `on.gpu1.modelPath`.
    pub key: String,
}

impl Registry {
    /// Returns every text with a carriage return in it, servers before models.
    #[must_use]
    pub fn carriage_returns(&self) -> Vec<OddText> {
        let mut odd = Vec::new();
        let servers = self.servers.iter().map(|(name, spec)| ("server", name, json(spec)));
        let models = self.models.iter().map(|(name, spec)| ("model", name, json(spec)));
        for (object, name, spec) in servers.chain(models) {
            let mut keys = Vec::new();
            collect_keys("", &spec, &mut keys);
            odd.extend(keys.into_iter().map(|key| OddText { object, name: name.clone(), key }));
        }
        odd
    }
}

fn json(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

fn collect_keys(key: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('\r') && keys.last().is_none_or(|last| last != key) => {
            keys.push(key.to_owned());
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(key, item, keys)),
        Value::Object(table) => {
            for (inner, value) in table {
                let key = if key.is_empty() { inner.clone() } else { format!("{key}.{inner}") };
                collect_keys(&key, value, keys);
            }
        }
        _ => {}
    }
}
