//! The difference between two registries, object by object and key by key.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use mer_core::{Registry, escaped};
use serde::Serialize;
use serde_json::Value;

use crate::commands::registry_fields::REDACTED;

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::commands) enum Change {
    Added,
    Changed,
    Unchanged,
    Removed,
}

/// One object, and the keys in which it differs. A secret is never among the values: where one changes, both are hidden.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::commands) struct Difference {
    pub(super) object: &'static str,
    pub(super) name: String,
    pub(super) change: Change,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeyDifference>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct KeyDifference {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

/// What applying `wanted` does to `known`. What `wanted` does not name stays, and is not told of.
pub(in crate::commands) fn differences(known: &Registry, wanted: &Registry) -> Vec<Difference> {
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

    /// That an object is gone.
    pub(super) fn removed(object: &'static str, name: &str) -> Self {
        Self { object, name: name.to_owned(), change: Change::Removed, keys: Vec::new() }
    }

    /// Whether there is something to do.
    pub(super) fn is_one(&self) -> bool {
        self.change != Change::Unchanged
    }

    /// For people: `changed model `x`: timeout, env.A`.
    pub(super) fn sentence(&self) -> String {
        let Self { object, name, change, keys } = self;
        match change {
            Change::Added => format!("added {object} `{name}`"),
            Change::Removed => format!("removed {object} `{name}`"),
            Change::Unchanged => format!("nothing changes: {object} `{name}` is that already"),
            Change::Changed => {
                let keys: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
                format!("changed {object} `{name}`: {}", keys.join(", "))
            }
        }
    }

    /// For people: a line with the object, then what was and what is to be, a line each.
    pub(super) fn lines(&self) -> String {
        let Self { object, name, change, keys } = self;
        let mark = if *change == Change::Added { '+' } else { '~' };
        let mut text = format!("{mark} {object} {}\n", escaped(name));
        for KeyDifference { key, before, after } in keys {
            for (mark, value) in [('-', before), ('+', after)] {
                if let Some(value) = value {
                    let _ = writeln!(text, "    {mark} {} = {}", escaped(key), escaped(&value.to_string()));
                }
            }
        }
        text
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

/// The keys as they would be reached in a registry file: `env.NAME`, `on.SERVER.modelPath`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> Registry {
        toml::from_str(text).expect(text)
    }

    fn told(known: &str, wanted: &str) -> (String, String) {
        let all = differences(&registry(known), &registry(wanted));
        let json: Vec<String> = all.iter().map(|one| serde_json::to_string(one).expect("json")).collect();
        (all.iter().filter(|one| one.is_one()).map(Difference::lines).collect(), json.join("\n"))
    }

    #[test]
    fn it_is_told_key_by_key() {
        let known = "[models.m]\ninferenceCommand = ['a']\ntimeout = '1m'\nenv = { A = '1', B = '2' }\n[models.same]\n";
        let wanted = "[models.m]\ninferenceCommand = ['a']\ngrace = '5s'\nenv = { A = '1', B = '3' }\n\
                      on.s.modelPath = '/x'\n[models.same]\n[models.new]\nprotocol = 'lines'\n";
        let (text, json) = told(known, wanted);
        assert_eq!(
            text,
            "~ model m\n    - env.B = \"2\"\n    + env.B = \"3\"\n    + grace = \"5s\"\n    + on.s.modelPath = \"/x\"\n    \
             - timeout = \"1m\"\n+ model new\n    + protocol = \"lines\"\n"
        );
        assert!(json.contains(r#"{"object":"model","name":"same","change":"unchanged"}"#), "{json}");
        assert!(json.contains(r#"{"key":"timeout","before":"1m"}"#), "{json}");
    }

    #[test]
    fn a_password_is_not_shown() {
        let of = |password: &str| format!("[servers.s]\nconnType = 'ssh'\nhost = 'h'\npassword = '{password}'\n");
        for (known, marks) in [(of("0ld"), 2), (String::new(), 1)] {
            let (text, json) = told(&known, &of("n3w"));
            assert!(
                !format!("{text}{json}").contains("n3w") && !format!("{text}{json}").contains("0ld"),
                "{text}{json}"
            );
            assert_eq!(text.matches("password = \"(redacted)\"").count(), marks, "{text}");
        }
    }
}
