//! Labels that a caller gives to a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// Maximum number of tags of a run.
const MOST_TAGS: usize = 32;
/// Maximum number of bytes of a key.
const KEY_BYTES: usize = 64;
/// Maximum number of bytes of a value.
const VALUE_BYTES: usize = 256;

/// Labels of a run, as `--tag K=V` sets them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(pub BTreeMap<String, String>);

impl Tags {
    /// Returns the tags of texts such as `team=vision`. A later one of the same key wins.
    ///
    /// # Errors
    /// A text has no `=`, or its key or value is not allowed.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let mut tags = BTreeMap::new();
        for text in texts {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Invalid::new("tags", format!("`{}` is not KEY=VALUE", text.escape_debug())))?;
            tags.insert(key.to_owned(), value.to_owned());
        }
        let tags = Self(tags);
        tags.check().map(|()| tags)
    }

    /// Checks number, keys and values.
    ///
    /// # Errors
    /// There are more than 32, a key is not one of `[A-Za-z0-9._-]+` with at most 64 bytes, or a value has more than 256
    /// bytes or a NUL.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.0.len() > MOST_TAGS {
            return Err(Invalid::new("tags", format!("are {}; at most {MOST_TAGS} are kept", self.0.len())));
        }
        for (key, value) in &self.0 {
            let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
            if key.is_empty() || key.len() > KEY_BYTES || !key.bytes().all(allowed) {
                let what =
                    format!("have a key {key:?}; a key is made of letters, digits, `.`, `_` and `-`, at most 64");
                return Err(Invalid::new("tags", what));
            }
            if value.len() > VALUE_BYTES || value.contains('\0') {
                let what = format!("have a value of `{key}` that is too long or has a NUL; at most 256 bytes are kept");
                return Err(Invalid::new("tags", what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_pairs_with_plain_keys_and_short_values() {
        let tags = Tags::parse(["team=vision", "a.b-c_1=x=y", "team=nlp", "empty="]).expect("tags");
        let pairs: Vec<(&str, &str)> = tags.0.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a.b-c_1", "x=y"), ("empty", ""), ("team", "nlp")]);
        let long = format!("k={}", "v".repeat(257));
        for wrong in ["team", "=x", "a b=x", "k=\0", &long, &format!("{}=x", "k".repeat(65))] {
            assert!(Tags::parse([wrong]).is_err(), "{wrong}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=x")).collect();
        assert!(Tags::parse(many.iter().map(String::as_str)).is_err());
    }
}
