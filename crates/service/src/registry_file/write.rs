//! Writes a registry as TOML: readable, and the same text for the same registry.

use std::fmt::Write;

use mer_core::{ConnParams, ModelParams, ModelSpec, Registry, is_invisible};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::RegistryFileError;

/// Writes a registry: servers, then models, each by name, their keys in the order of the reference. Keys of a newer version
/// come last, without those that are null, for which TOML has no form.
///
/// # Errors
/// A value has no form in TOML, which is a bug.
pub fn write(registry: &Registry) -> Result<String, RegistryFileError> {
    let mut tables = Vec::new();
    for (name, server) in &registry.servers {
        tables.push(table(&["servers", name], &object(server)?, ConnParams::KEYS)?);
    }
    let model_keys: Vec<&str> = ["servers"].iter().chain(ModelParams::KEYS).copied().collect();
    for (name, model) in &registry.models {
        let own = ModelSpec { on: std::collections::BTreeMap::new(), ..model.clone() };
        tables.push(table(&["models", name], &object(&own)?, &model_keys)?);
        for (server, over) in &model.on {
            tables.push(table(&["models", name, "on", server], &object(over)?, ModelParams::KEYS)?);
        }
    }
    Ok(tables.join("\n"))
}

fn object<T: Serialize>(value: &T) -> Result<Map<String, Value>, RegistryFileError> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(bug(None)),
        Err(error) => Err(bug(Some(error.into()))),
    }
}

fn bug(source: Option<Box<dyn std::error::Error + Send + Sync>>) -> RegistryFileError {
    RegistryFileError::Write { source }
}

fn table(path: &[&str], values: &Map<String, Value>, order: &[&str]) -> Result<String, RegistryFileError> {
    let head: Vec<String> = path.iter().map(|part| key(part)).collect();
    let mut text = format!("[{}]\n", head.join("."));
    let known = order.iter().copied().filter_map(|name| values.get_key_value(name));
    let newer = values.iter().filter(|(name, value)| !order.contains(&name.as_str()) && !value.is_null());
    for (name, value) in known.chain(newer) {
        let _ = writeln!(text, "{} = {}", key(name), inline(value)?);
    }
    Ok(text)
}

fn inline(value: &Value) -> Result<String, RegistryFileError> {
    Ok(match value {
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Result<Vec<_>, _>>()?.join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let pairs: Result<Vec<String>, RegistryFileError> = map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| Ok(format!("{} = {}", key(name), inline(value)?)))
                .collect();
            format!("{{ {} }}", pairs?.join(", "))
        }
        Value::Null => return Err(bug(Some("a list with `null` in it".into()))),
    })
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { name.to_owned() } else { quoted(name) }
}

/// Writes a basic string, the only form that can hold every text on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_invisible(c) => {
                let number = u32::from(c);
                let _ =
                    if number > 0xffff { write!(quoted, "\\U{number:08x}") } else { write!(quoted, "\\u{number:04x}") };
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
