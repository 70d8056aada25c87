//! Rules for the names of servers, models, aliases and tags, and suggestions for wrong ones.

use thiserror::Error;

/// Maximum length of a name, in bytes. Names become parts of file names, which have at most 255 bytes.
pub const NAME_BYTES: usize = 128;

/// Why a text cannot be the name of a server, a model, an alias or a tag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("the name is empty; a name has letters, digits, `.`, `_` and `-`")]
    Empty,
    /// The name has a character outside of `[A-Za-z0-9._-]`. `:` and `@` separate a model from its weights.
    #[error("`{name}` has a {found:?} in it; a name has letters, digits, `.`, `_` and `-`")]
    Character {
        /// The whole name.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The name begins with `-`, like a flag.
    #[error("`{name}` begins with `-`, which reads as a flag")]
    Dash {
        /// The whole name.
        name: String,
    },
    /// The name is `.` or `..`, which name folders in a path.
    #[error("`{name}` is the name of a folder everywhere; a name has more than dots")]
    Dots {
        /// The whole name.
        name: String,
    },
    /// The name is too long.
    #[error("the name `{}…` has {} bytes, and a name has at most {NAME_BYTES}", beginning(name), name.len())]
    Long {
        /// The whole name.
        name: String,
    },
}

/// Returns the beginning of a long name, enough to recognise it.
fn beginning(name: &str) -> &str {
    &name[..name.floor_char_boundary(24)]
}

impl NameError {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Character { name, .. } | Self::Dash { name } | Self::Dots { name } | Self::Long { name } => name,
        }
    }
}

/// Checks the name of a new server, model, alias or tag: [`check_known_name`], at most [`NAME_BYTES`], and neither `.` nor
/// `..`.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    check_known_name(name)?;
    if matches!(name, "." | "..") {
        return Err(NameError::Dots { name: name.to_owned() });
    }
    if name.len() > NAME_BYTES {
        return Err(NameError::Long { name: name.to_owned() });
    }
    Ok(())
}

/// Checks the name of something that exists: `[A-Za-z0-9._-]+`, and not beginning with `-`. Older versions had no maximum
/// length.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_known_name(name: &str) -> Result<(), NameError> {
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

/// Returns the known names that are similar to a wrong one, best first, at most three.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wrong = wrong.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| distance(&wrong, &name.to_lowercase()).map(|distance| (distance, name)))
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Returns the number of letters to change if it is small enough for a typing error: at most one in three. Swapping two
/// neighbours counts once. The beginning of a name counts as similar if it has three letters or more.
fn distance(wrong: &str, name: &str) -> Option<usize> {
    let distance = strsim::osa_distance(wrong, name);
    let length = wrong.chars().count().max(name.chars().count());
    let is_beginning = wrong.chars().count() >= 3 && name.starts_with(wrong);
    (distance * 3 <= length || is_beginning).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_characters_are_refused() {
        for bad in ["a:b", "a@b", "a b", "", "-a", "ü", "a/b"] {
            assert!(check_name(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["iris", "gpu-1.example_x", "3", ".hidden", "...", &"n".repeat(128)] {
            assert_eq!(check_name(good), Ok(()));
        }
    }

    #[test]
    fn what_is_too_long_or_a_folder_cannot_be_a_new_name_and_may_be_an_old_one() {
        let long = "n".repeat(129);
        for (name, told) in [
            (".", "`.` is the name of a folder everywhere"),
            ("..", "`..` is the name of a folder everywhere"),
            (long.as_str(), "the name `nnnnnnnnnnnnnnnnnnnnnnnn…` has 129 bytes, and a name has at most 128"),
        ] {
            let error = check_name(name).expect_err(name);
            assert!(error.to_string().starts_with(told), "{error}");
            assert_eq!(error.name(), name);
            assert_eq!(check_known_name(name), Ok(()));
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
