//! What the environment of a caller claims about the caller.

use std::{collections::BTreeMap, ops::Deref};

use serde::{Deserialize, Serialize};

/// Maximum number of claims of an access.
const MAX_CLAIMS: usize = 8;
/// Maximum length of the name of a claim, in bytes.
const NAME_BYTES: usize = 64;
/// Maximum length of the value of a claim, in bytes.
const VALUE_BYTES: usize = 256;

/// Variables in which an environment names its user, such as `SUDO_USER`. The caller can set them to anything: they help to
/// find out what happened, but prove nothing.
///
/// Names and values that are too long are cut, and claims beyond the maximum number are dropped, also when they are read
/// from a file or a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Claims(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for Claims {
    fn from(claims: BTreeMap<String, String>) -> Self {
        // PostgreSQL refuses U+0000 in JSON.
        let bounded = |text: &str, max_bytes| cut(text, max_bytes).replace('\0', "\u{fffd}");
        let few = claims.iter().filter(|(name, value)| !name.is_empty() && !value.is_empty()).take(MAX_CLAIMS);
        Self(few.map(|(name, value)| (bounded(name, NAME_BYTES), bounded(value, VALUE_BYTES))).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Claims {
    fn from(claims: [(&str, &str); N]) -> Self {
        BTreeMap::from(claims.map(|(name, value)| (name.to_owned(), value.to_owned()))).into()
    }
}

impl From<Claims> for BTreeMap<String, String> {
    fn from(claims: Claims) -> Self {
        claims.0
    }
}

impl Deref for Claims {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Returns the beginning of a text, at most `max_bytes` long.
fn cut(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_few_and_short_wherever_they_come_from() {
        let many: BTreeMap<String, String> =
            (0..100).map(|number| (format!("{number:0>200}"), "ü".repeat(500))).collect();
        let json = serde_json::to_string(&many).expect("JSON");
        let read: Claims = serde_json::from_str(&json).expect("claims");
        assert_eq!(read, Claims::from(many));
        assert!(read.len() <= MAX_CLAIMS);
        for (name, value) in read.iter() {
            assert!(name.len() <= NAME_BYTES && value.len() <= VALUE_BYTES, "{name} {value}");
        }
        assert_eq!(Claims::from([("A", "x\0y"), ("B", ""), ("", "z")]), Claims::from([("A", "x\u{fffd}y")]));
    }

    #[test]
    fn claims_are_an_object_of_texts() {
        let claims = Claims::from([("SUDO_USER", "ada"), ("USER", "root")]);
        let json = serde_json::to_string(&claims).expect("JSON");
        assert_eq!(json, r#"{"SUDO_USER":"ada","USER":"root"}"#);
        assert_eq!(serde_json::from_str::<Claims>(&json).expect("claims"), claims);
    }
}
