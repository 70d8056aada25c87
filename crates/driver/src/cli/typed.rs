//! A line as it was typed, for messages that say what to type instead.

use std::ffi::OsString;

use crate::config::redacted_url;

/// The words of a line, and what it says about questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    words: Vec<String>,
    /// Whether it says never to ask.
    pub(crate) no_input: bool,
}

impl Typed {
    /// `words` begin with the program's name.
    pub(super) fn new(words: &[OsString], no_input: bool) -> Self {
        let mut shown: Vec<String> = Vec::with_capacity(words.len());
        for word in words.iter().skip(1).map(|word| word.to_string_lossy()) {
            // The one word that may hold a password.
            let word = match word.strip_prefix("--db=") {
                Some(url) => format!("--db={}", redacted_url(url)),
                None if shown.last().is_some_and(|flag| flag == "--db") => redacted_url(&word),
                None => word.into_owned(),
            };
            shown.push(word);
        }
        Self { words: shown, no_input }
    }

    /// The line without the program's name, quoted for a shell. A password in the database's URL is not shown.
    pub(crate) fn line(&self) -> String {
        quoted(self.words.iter().map(String::as_str))
    }

    /// The line with the verb `add` become `set`.
    pub(crate) fn set_instead_of_add(&self) -> String {
        let add = self.words.iter().position(|word| word == "add");
        let words = self.words.iter().enumerate();
        quoted(words.map(|(at, word)| if Some(at) == add { "set" } else { word.as_str() }))
    }
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted = words.map(|word| shlex::try_quote(word).unwrap_or_else(|_| word.into()));
    quoted.collect::<Vec<_>>().join(" ")
}
