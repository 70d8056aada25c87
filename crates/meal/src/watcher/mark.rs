//! The mark that every local model and its children carry in their environment: `MER_WATCH=NONCE.NUMBER`, with the
//! suffix `.leave` if children that left the process group are to go on.

/// The variable that holds the mark. A `mer` that is itself a model must not take it for a setting.
pub const WATCH_VARIABLE: &str = "MER_WATCH";

/// A mark to search for in environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The mark of one process.
    One {
        /// The whole variable, with its name.
        variable: String,
    },
    /// The mark of any process of one `mer`, except for processes that are to go on.
    Any {
        /// The nonce of this `mer`.
        nonce: String,
        /// The greatest number that the watcher was told. Marked `.leave`, a process up to this number is a child
        /// that is to go on; one with a greater number is a model that the watcher was not told of.
        highest_number: u64,
    },
}

/// The value of the variable for one process.
pub(crate) fn value(nonce: &str, number: u64, leave: bool) -> String {
    format!("{nonce}.{number}{}", if leave { LEAVE } else { "" })
}

const LEAVE: &str = ".leave";

impl Mark {
    /// The mark of the process with this value of the variable.
    pub(crate) fn one(value: &str) -> Self {
        Self::One { variable: format!("{WATCH_VARIABLE}={value}") }
    }

    /// Whether an environment in the format of `/proc` carries the mark.
    pub(crate) fn is_on(&self, environment: &[u8]) -> bool {
        environment.split(|byte| *byte == 0).any(|variable| match self {
            Self::One { variable: wanted } => variable == wanted.as_bytes(),
            Self::Any { nonce, highest_number } => is_any(variable, nonce, *highest_number),
        })
    }
}

fn is_any(variable: &[u8], nonce: &str, highest_number: u64) -> bool {
    let rest = std::str::from_utf8(variable)
        .ok()
        .and_then(|text| text.strip_prefix(WATCH_VARIABLE)?.strip_prefix('=')?.strip_prefix(nonce));
    match rest {
        Some("") => true,
        Some(rest) => match rest.strip_prefix('.').map(|rest| (rest.strip_suffix(LEAVE), rest)) {
            Some((Some(number), _)) => number.parse::<u64>().is_ok_and(|number| number > highest_number),
            Some((None, number)) => number.parse::<u64>().is_ok(),
            None => false,
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_that_of_one_mer_or_of_one_process() {
        let environment = |value: &str| format!("A=b\0MER_WATCH={value}\0C=d\0").into_bytes();
        let any = Mark::Any { nonce: "7-ab".to_owned(), highest_number: 3 };
        for (on, expected) in [
            ("7-ab", true),
            ("7-ab.1", true),
            ("7-ab.9", true),
            ("7-ab.3.leave", false),
            ("7-ab.4.leave", true),
            ("7-abc.1", false),
            ("8-ab.1", false),
            ("7-ab.x", false),
        ] {
            assert_eq!(any.is_on(&environment(on)), expected, "{on}");
        }
        let one = Mark::one(&value("7-ab", 1, false));
        assert!(one.is_on(&environment("7-ab.1")));
        assert!(!one.is_on(&environment("7-ab.12")) && !one.is_on(b"XMER_WATCH=7-ab.1\0"));
        assert_eq!(value("n", 2, true), "n.2.leave");
    }
}
