//! Selectors: `MODEL`, `MODEL:3` and `MODEL@alias` name a model and its weights.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::CURRENT_ALIAS;
use crate::{NameError, check_known_name};

/// A model, and which of its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Name of the model.
    pub model: String,
    /// Which of its weights.
    pub which: Which,
}

/// Which weights of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The version that the alias `current` points to; no weights if there is no such alias.
    Current,
    /// This version.
    Version(u64),
    /// The version that this alias points to.
    Alias(String),
}

/// The text is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The name of the model or of the alias is not allowed.
    #[error("`{text}` names no {object}")]
    Name {
        /// The whole text.
        text: String,
        /// `model` or `alias`.
        object: &'static str,
        /// The rule that the name breaks.
        source: NameError,
    },
    /// The text after the colon is not a version.
    #[error("`{version}` in `{text}` is not a version; versions are 1, 2, 3, …, and an alias is written `MODEL@ALIAS`")]
    Version {
        /// The whole text.
        text: String,
        /// The text after the colon.
        version: String,
    },
}

impl Selector {
    /// Selects the current weights of a model.
    #[must_use]
    pub fn current(model: impl Into<String>) -> Self {
        Self { model: model.into(), which: Which::Current }
    }
}

impl Which {
    /// Returns the alias that selects the version, if there is one.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        match self {
            Self::Current => Some(CURRENT_ALIAS),
            Self::Alias(name) => Some(name),
            Self::Version(_) => None,
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let name = |object: &'static str| move |source| SelectorError::Name { text: text.to_owned(), object, source };
        let (model, which) = match text.find([':', '@']) {
            None => (text, Which::Current),
            Some(at) => {
                let after = &text[at + 1..];
                let which = if text.as_bytes()[at] == b'@' {
                    check_known_name(after).map_err(name("alias"))?;
                    Which::Alias(after.to_owned())
                } else {
                    let version = after.parse().ok().filter(|version| {
                        *version >= 1 && i64::try_from(*version).is_ok() && after.bytes().all(|b| b.is_ascii_digit())
                    });
                    let wrong = || SelectorError::Version { text: text.to_owned(), version: after.to_owned() };
                    Which::Version(version.ok_or_else(wrong)?)
                };
                (&text[..at], which)
            }
        };
        check_known_name(model).map_err(name("model"))?;
        Ok(Self { model: model.to_owned(), which })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Current => f.write_str(&self.model),
            Which::Version(version) => write!(f, "{}:{version}", self.model),
            Which::Alias(alias) => write!(f, "{}@{alias}", self.model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_reads_back_as_it_prints() {
        for (text, which) in [
            ("iris", Which::Current),
            ("iris:3", Which::Version(3)),
            ("iris:9223372036854775807", Which::Version(i64::MAX.unsigned_abs())),
            ("iris@current", Which::Alias("current".to_owned())),
            ("m.1_x-Y@v-1.0", Which::Alias("v-1.0".to_owned())),
        ] {
            let selector: Selector = text.parse().expect(text);
            assert_eq!(selector.which, which);
            assert_eq!(selector.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_weights_is_refused() {
        for text in [
            "",
            ":",
            "@",
            "iris:",
            "iris@",
            ":3",
            "@a",
            "iris:0",
            "iris:-1",
            "iris:+1",
            "iris:a",
            "iris:1.0",
            "iris:1:2",
            "iris:1@a",
            "iris@a:1",
            "iris@a@b",
            "iris:9223372036854775808",
            "ir is",
            "iris@-a",
            "-iris",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text:?} was accepted");
        }
    }
}
