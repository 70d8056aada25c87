//! Values of flags that describe resources.

use std::str::FromStr;

use mer_core::{MOST_UNITS, ResourceAmount, is_resource_name};
use thiserror::Error;

/// Why a text is not a value of its type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ResourceValueError {
    /// Not `RESOURCE=COUNT`.
    #[error("`RESOURCE=COUNT` was expected, such as `gpu=1`")]
    Need,
    /// Not `RESOURCE=COUNT` or `RESOURCE=NAMES`.
    #[error("`RESOURCE=COUNT` or `RESOURCE=NAME,NAME` was expected, such as `slots=4` or `gpu=0,1`")]
    Resource,
    /// Not a name of a resource.
    #[error("`{0}` is not the name of a resource: that is letters, digits, `_` and `-`")]
    Name(String),
    /// Not a number of units.
    #[error("`{0}` is not a number from 1 to {MOST_UNITS}")]
    Count(String),
    /// Units that are not possible.
    #[error("`{0}` {1}")]
    Units(String, String),
}

/// What a process takes of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) resource: String,
    pub(crate) count: u32,
}

impl FromStr for Need {
    type Err = ResourceValueError;

    fn from_str(text: &str) -> Result<Self, ResourceValueError> {
        let (resource, count) = text.split_once('=').ok_or(ResourceValueError::Need)?;
        let resource = name(resource)?;
        match count.parse() {
            Ok(count) if (1..=MOST_UNITS).contains(&count) => Ok(Self { resource, count }),
            _ => Err(ResourceValueError::Count(count.to_owned())),
        }
    }
}

/// What a server has of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) resource: String,
    pub(crate) amount: ResourceAmount,
}

impl FromStr for Resource {
    type Err = ResourceValueError;

    fn from_str(text: &str) -> Result<Self, ResourceValueError> {
        let (resource, amount) = text.split_once('=').ok_or(ResourceValueError::Resource)?;
        let resource = name(resource)?;
        if amount.is_empty() {
            return Err(ResourceValueError::Resource);
        }
        let amount = amount.parse();
        let amount =
            amount.map_err(|invalid: mer_core::Invalid| ResourceValueError::Units(resource.clone(), invalid.what))?;
        Ok(Self { resource, amount })
    }
}

fn name(text: &str) -> Result<String, ResourceValueError> {
    if is_resource_name(text) { Ok(text.to_owned()) } else { Err(ResourceValueError::Name(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_counts() {
        assert_eq!("gpu=2".parse(), Ok(Need { resource: "gpu".to_owned(), count: 2 }));
        assert_eq!("gpu".parse::<Need>(), Err(ResourceValueError::Need));
        assert_eq!("a b=1".parse::<Need>(), Err(ResourceValueError::Name("a b".to_owned())));
        for count in ["0", "x", "-1", "4097", ""] {
            assert_eq!(format!("gpu={count}").parse::<Need>(), Err(ResourceValueError::Count(count.to_owned())));
        }
    }

    #[test]
    fn resources_are_counts_or_names() {
        let amount = |text: &str| text.parse::<Resource>().map(|resource| resource.amount);
        let names = |names: &[&str]| Ok(ResourceAmount::Names(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(amount("slots=4"), Ok(ResourceAmount::Count(4)));
        assert_eq!(amount("gpu=0,1"), names(&["0", "1"]));
        assert_eq!(amount("gpu=0,"), names(&["0"]));
        assert_eq!(amount("gpu=MIG-1,MIG-2"), names(&["MIG-1", "MIG-2"]));
        for wrong in ["gpu", "gpu=", "=1", "gpu=a a", "gpu=0,0", "gpu=9999", "gpu=0,,1", "gpu=-1", "gpu=1.5"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
        let told = amount("gpu=4097").expect_err("too many").to_string();
        assert_eq!(told, "`gpu` has 4097 units; at most 4096 are possible");
    }
}
