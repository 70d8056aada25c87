//! What servers and models have in common when they are shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// What is never shown of a specification.
const SECRETS: [&str; 1] = ["password"];

/// Name, uid, times, and the specification key by key as it would stand in a registry file. Secrets are redacted.
pub(super) fn registered(
    name: &str,
    uid: &str,
    created_at: Timestamp,
    last_updated: Timestamp,
    spec: &impl Serialize,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("name", name.to_owned()),
        ("uid", uid.to_owned()),
        ("created", created_at.to_string()),
        ("updated", last_updated.to_string()),
    ];
    if let Ok(Value::Object(spec)) = serde_json::to_value(spec) {
        let lines: Vec<String> = spec.iter().map(|(key, value)| format!("{key} = {}", shown(key, value))).collect();
        // Two lines at least, so that they stand below their label however many there are.
        fields.push(("registered as", format!("\n{}", lines.join("\n"))));
    }
    fields
}

fn shown(key: &str, value: &Value) -> String {
    if SECRETS.contains(&key) { "(redacted)".to_owned() } else { value.to_string() }
}
