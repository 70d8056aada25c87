//! What servers and models have in common when they are shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Stands for a secret. Who hands a specification to be shown has put it there already, in JSON too.
pub(super) const REDACTED: &str = "(redacted)";

/// Name, uid, times, and the specification key by key as it would stand in a registry file.
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
        let lines: Vec<String> = spec.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        // Two lines at least, so that they stand below their label however many there are.
        fields.push(("registered as", format!("\n{}", lines.join("\n"))));
    }
    fields
}
