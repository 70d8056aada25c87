//! Differences between registries as text.

use std::fmt::Write as _;

use mer_core::escaped;
use mer_service::registry::{Change, Difference, KeyDifference};

/// A sentence: ``changed model `x`: timeout, env.A``.
pub(super) fn sentence(difference: &Difference) -> String {
    let Difference { object, name, change, keys } = difference;
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

/// A line with the object, then a line for each value before and after.
pub(super) fn lines(difference: &Difference) -> String {
    let Difference { object, name, change, keys } = difference;
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

#[cfg(test)]
mod tests {
    use mer_core::Registry;
    use mer_service::registry::differences;

    use super::*;

    fn registry(text: &str) -> Registry {
        toml::from_str(text).expect(text)
    }

    fn shown(known: &str, wanted: &str) -> (String, String) {
        let all = differences(&registry(known), &registry(wanted));
        let json: Vec<String> = all.iter().map(|one| serde_json::to_string(one).expect("json")).collect();
        (all.iter().filter(|one| one.is_change()).map(lines).collect(), json.join("\n"))
    }

    #[test]
    fn it_is_told_key_by_key() {
        let known = "[models.m]\ninferenceCommand = ['a']\ntimeout = '1m'\nenv = { A = '1', B = '2' }\n[models.same]\n";
        let wanted = "[models.m]\ninferenceCommand = ['a']\ngrace = '5s'\nenv = { A = '1', B = '3' }\n\
                      on.s.modelPath = '/x'\n[models.same]\n[models.new]\nprotocol = 'lines'\n";
        let (text, json) = shown(known, wanted);
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
            let (text, json) = shown(&known, &of("n3w"));
            assert!(
                !format!("{text}{json}").contains("n3w") && !format!("{text}{json}").contains("0ld"),
                "{text}{json}"
            );
            assert_eq!(text.matches("password = \"(redacted)\"").count(), marks, "{text}");
        }
    }
}
