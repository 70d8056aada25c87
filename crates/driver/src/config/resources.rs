//! The resources of a machine as a setting.

use std::{collections::BTreeMap, fmt, str::FromStr};

use mer_core::{ResourceAmount, is_resource_name};
use serde::{Deserialize, Deserializer, de};
use toml::de::DeValue;

/// Resources by name. As a text: `gpu=0,1 slots=4`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resources(pub(crate) BTreeMap<String, ResourceAmount>);

impl Resources {
    /// Reads a table of a settings file.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Result<Self, Option<String>> {
        let DeValue::Table(table) = value else { return Err(None) };
        let mut resources = BTreeMap::new();
        for (name, value) in table {
            let name = name.get_ref();
            let wrong = || format!("`{name}` must be a number of units, or an array of their names");
            let amount = match value.get_ref() {
                DeValue::Integer(number) => {
                    number.as_str().parse().map(ResourceAmount::Count).map_err(|_| Some(wrong()))?
                }
                DeValue::Array(names) => {
                    let names = names.iter().map(|name| match name.get_ref() {
                        DeValue::String(name) => Ok(name.to_string()),
                        _ => Err(Some(wrong())),
                    });
                    ResourceAmount::Names(names.collect::<Result<_, _>>()?)
                }
                _ => return Err(Some(wrong())),
            };
            resources.insert(checked_name(name)?, checked(name, amount)?);
        }
        Ok(Self(resources))
    }
}

impl FromStr for Resources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut resources = BTreeMap::new();
        for word in text.split_whitespace() {
            let Some((name, amount)) = word.split_once('=').filter(|(_, amount)| !amount.is_empty()) else {
                return Err(format!("`{word}` is not RESOURCE=COUNT or RESOURCE=NAME,NAME"));
            };
            let amount = amount.parse().map_err(|invalid: mer_core::Invalid| format!("`{name}` {}", invalid.what))?;
            if resources.insert(checked_name(name)?, amount).is_some() {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(Self(resources))
    }
}

fn checked_name(name: &str) -> Result<String, String> {
    if is_resource_name(name) {
        return Ok(name.to_owned());
    }
    Err(format!("`{name}` is not the name of a resource: that is letters, digits, `_` and `-`"))
}

fn checked(name: &str, amount: ResourceAmount) -> Result<ResourceAmount, String> {
    amount.check().map_err(|what| format!("`{name}` {what}")).map(|()| amount)
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, amount)) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{name}={amount}")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
