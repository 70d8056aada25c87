//! Names of servers, models and aliases, and what was probably meant by a wrong one.

use thiserror::Error;

/// A name that the grammar of commands cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name has no characters.
    #[error("the name is empty; a name has letters, digits, `.`, `_` and `-`")]
    Empty,
    /// The name has a character outside `[A-Za-z0-9._-]`, because `:` and `@` are grammar.
    #[error("`{name}` has a {found:?} in it; a name has letters, digits, `.`, `_` and `-`")]
    Character {
        /// The whole name.
        name: String,
        /// The first character that does not belong.
        found: char,
    },
    /// The name begins with `-`, which the command line would read as a flag.
    #[error("`{name}` begins with `-`, which reads as a flag")]
    Dash {
        /// The whole name.
        name: String,
    },
}

impl NameError {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Character { name, .. } | Self::Dash { name } => name,
        }
    }
}

/// Checks a name of a server, model or alias: `[A-Za-z0-9._-]+`, and no `-` in front.
///
/// # Errors
/// [`NameError`] says which rule the name breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.starts_with('-') {
        return Err(NameError::Dash { name: name.to_owned() });
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(found) => Err(NameError::Character { name: name.to_owned(), found }),
        None => Ok(()),
    }
}

/// The known names nearest to a wrong one, best first, at most three; none that is far off.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wrong = wrong.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_characters_are_refused() {
        for bad in ["a:b", "a@b", "a b", "", "-a", "ü", "a/b"] {
            assert!(check_name(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["iris", "gpu-1.example_x", "3", ".hidden"] {
            assert_eq!(check_name(good), Ok(()));
        }
    }

    #[test]
    fn the_nearest_name_comes_first_and_strangers_do_not_come() {
        let known = ["iris", "echo", "upper", "parrot"];
        assert_eq!(nearest("irsi", known).first(), Some(&"iris"));
        assert_eq!(nearest("PARROTS", known).first(), Some(&"parrot"));
        assert!(nearest("zzzzqq", known).is_empty());
    }
}
