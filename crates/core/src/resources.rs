//! What a server has, and what a process takes of it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// Maximum number of units of a resource.
pub const MOST_UNITS: u32 = 4096;
/// Maximum number of bytes of the name of a resource or unit.
const NAME_BYTES: usize = 64;
/// Resource that each process takes one unit of, unless its model names others.
pub const SLOTS: &str = "slots";

/// How much of a resource a server has: a number of units, or their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResourceAmount {
    /// This many units, which are named `0`, `1` and so on.
    Count(u32),
    /// The units with these names.
    Names(Vec<String>),
}

impl ResourceAmount {
    /// Returns the number of units.
    #[must_use]
    pub fn count(&self) -> u32 {
        match self {
            Self::Count(count) => *count,
            Self::Names(names) => u32::try_from(names.len()).unwrap_or(u32::MAX),
        }
    }

    /// Returns the names of the units.
    #[must_use]
    pub fn units(&self) -> Vec<String> {
        match self {
            Self::Count(count) => (0..*count).map(|unit| unit.to_string()).collect(),
            Self::Names(names) => names.clone(),
        }
    }

    /// Checks number and names of the units.
    ///
    /// # Errors
    /// There are more than 4096 units, a name is empty, too long or has other characters than `[A-Za-z0-9._:-]`, or two
    /// units have the same name.
    pub fn check(&self) -> Result<(), String> {
        if self.count() > MOST_UNITS {
            return Err(format!("has {} units; at most {MOST_UNITS} are possible", self.count()));
        }
        let Self::Names(names) = self else { return Ok(()) };
        for (index, name) in names.iter().enumerate() {
            let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b':');
            if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(allowed) {
                return Err(format!(
                    "has a unit named {name:?}; names are made of letters, digits, `.`, `_`, `:` and `-`"
                ));
            }
            if names[..index].contains(name) {
                return Err(format!("has the unit `{name}` twice"));
            }
        }
        Ok(())
    }
}

impl FromStr for ResourceAmount {
    type Err = Invalid;

    /// Parses `4` (a number of units) or `0,1` (their names; one name is written with a comma after it: `0,`). Without a comma
    /// only a number is taken, so that `-1` or `1.5` does not become the name of a unit.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let amount = match text.strip_suffix(',').or_else(|| text.contains(',').then_some(text)) {
            Some(names) => Self::Names(names.split(',').map(str::to_owned).collect()),
            None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A longer number is too great in any case.
                Self::Count(text.parse().unwrap_or(u32::MAX))
            }
            None => {
                let what = format!(
                    "must be a number of units, or their names with commas, and `{text}` is neither; a single name has a comma \
                     after it"
                );
                return Err(Invalid::new("resources", what));
            }
        };
        amount.check().map_err(|what| Invalid::new("resources", what)).map(|()| amount)
    }
}

impl fmt::Display for ResourceAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Names(names) if names.len() == 1 => write!(f, "{},", names[0]),
            Self::Names(names) => f.write_str(&names.join(",")),
        }
    }
}

/// Whether a resource may have this name: `[A-Za-z0-9_-]+`, at most 64 bytes.
#[must_use]
pub fn is_resource_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_counts_or_names() {
        for (text, units) in [("2", vec!["0", "1"]), ("a,b", vec!["a", "b"]), ("7,", vec!["7"]), ("0", vec![])] {
            let amount: ResourceAmount = text.parse().expect(text);
            assert_eq!(amount.units(), units);
            assert_eq!(amount.to_string(), text);
        }
        for wrong in ["", ",", "a,a", "a b", "a b,", "4097", "99999999999999999999", "a,,b", "-1x/", "a,b,,"] {
            assert!(wrong.parse::<ResourceAmount>().is_err(), "{wrong}");
        }
        // A single name has a comma after it: none of these becomes the name of a unit.
        for wrong in ["-1", "+1", "1.5", "1e3", "0x2", "a", "GPU-8f2"] {
            let told = wrong.parse::<ResourceAmount>().expect_err(wrong).what;
            assert!(told.contains(wrong) && told.contains("a single name has a comma after it"), "{told}");
        }
        assert!(is_resource_name("gpu") && !is_resource_name("a.b") && !is_resource_name(""));
    }

    #[test]
    fn amounts_read_from_json_as_they_are_written() {
        for json in ["4", r#"["0","1"]"#] {
            let amount: ResourceAmount = serde_json::from_str(json).expect(json);
            assert_eq!(serde_json::to_string(&amount).expect("JSON"), json);
        }
    }
}
