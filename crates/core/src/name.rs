//! Names of servers, models and aliases, and what was probably meant by a wrong one.

use thiserror::Error;

/// How many bytes a name may have: it is part of the names of files, whose parts have at most 255.
pub const NAME_BYTES: usize = 128;

/// A name that cannot be given to a server, a model, an alias or a tag.
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
    /// The name is `.` or `..`, which are folders wherever a name becomes part of a path.
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

/// Enough of a long name to know it by.
fn beginning(name: &str) -> &str {
    &name[..name.floor_char_boundary(24)]
}

impl NameError {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Character { name, .. } | Self::Dash { name } | Self::Dots { name } | Self::Long { name } => name,
        }
    }
}

/// Checks a name that a server, a model, an alias or a tag is to be given: [`check_known_name`], at most [`NAME_BYTES`], and
/// neither `.` nor `..`.
///
/// # Errors
/// [`NameError`] says which rule the name breaks.
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

/// Checks a name that something may have already, from before there was a greatest length: `[A-Za-z0-9._-]+`, and no `-` in
/// front.
///
/// # Errors
/// [`NameError`] says which rule the name breaks.
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

/// The known names nearest to a wrong one, best first, at most three; none that is far off.
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

/// How many letters have to be changed, where that is few enough to be a slip: one in three, two neighbours that changed places
/// counting once. The beginning of a name, of three letters or more, is near as well.
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
