//! Values of flags of `mer run` and `mer train`.

use clap::builder::TypedValueParser;
use mer_core::{Invalid, Tags};
use thiserror::Error;

use super::normalise;

/// A text that is not a priority.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a number from -10 to 10 was expected")]
pub(super) struct PriorityError;

/// Parses a priority, which may be negative.
pub(super) fn priority() -> impl TypedValueParser<Value = i8> {
    normalise::string().try_map(|text| match text.parse::<i8>() {
        Ok(priority) if (-10..=10).contains(&priority) => Ok(priority),
        _ => Err(PriorityError),
    })
}

/// A text that is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a tag is KEY=VALUE: {0}")]
pub(super) struct TagError(Invalid);

/// Parses one tag such as `team=vision`.
pub(super) fn tag() -> impl TypedValueParser<Value = String> {
    normalise::string().try_map(|text| match Tags::parse([text.as_str()]) {
        Ok(_) => Ok(text),
        Err(invalid) => Err(TagError(invalid)),
    })
}
