//! What a caller's surroundings say of the caller.

use std::{collections::BTreeMap, ops::Deref};

use serde::{Deserialize, Serialize};

/// Claims that an access keeps at most.
const MOST: usize = 8;
/// The longest name of a claim, in bytes.
const NAME_BYTES: usize = 64;
/// The longest value of a claim, in bytes.
const VALUE_BYTES: usize = 256;

/// Variables by which a caller's environment names the caller, such as `SUDO_USER`. The caller may set them to anything:
/// they help to find out what happened, and prove nothing.
///
/// However they are made, also from a file or a database, they are few and short: what is too long is cut, and what is
/// too many is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Claims(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for Claims {
    fn from(claims: BTreeMap<String, String>) -> Self {
        // A database that speaks JSON refuses the zero character.
        let bounded = |text: &str, most| cut(text, most).replace('\0', "\u{fffd}");
        let few = claims.iter().filter(|(name, value)| !name.is_empty() && !value.is_empty()).take(MOST);
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

/// The beginning of a text, at most so many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
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
        assert!(read.len() <= MOST);
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
