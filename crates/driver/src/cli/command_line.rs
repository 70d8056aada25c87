//! A line as it was typed, for messages that say what to type instead.

use std::ffi::OsString;

use mer_core::redacted_command_line;

/// The words of a line, and what it says about questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    words: Vec<String>,
    /// Flags with which the `mer` was started that reads the line.
    start: Vec<String>,
    /// Whether it says never to ask.
    pub(crate) no_input: bool,
}

impl Typed {
    /// `words` begin with the program's name.
    pub(super) fn new(words: &[OsString], no_input: bool) -> Self {
        let words: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        let words = redacted_command_line(words.iter().map(|word| &**word));
        Self { words, start: Vec::new(), no_input }
    }

    /// The same line, read by a `mer` that was started with these flags.
    #[must_use]
    pub(crate) fn started_with(self, flags: Vec<String>) -> Self {
        Self { start: flags, ..self }
    }

    /// The line without the program's name as a shell takes it, for a `mer` that is started for it. A password in the
    /// database's URL is not shown.
    pub(crate) fn line(&self) -> String {
        line_of(self.start.iter().chain(&self.words))
    }

    /// Whether the line itself says that the registry may be changed.
    pub(crate) fn allows_changes(&self) -> bool {
        let flags = self.words.iter().take_while(|word| *word != "--");
        flags.into_iter().any(|word| word == "--allow-changes" || word == "--allow-model-server-runtime-changes")
    }

    /// The line with the verb `add` become `set`.
    pub(crate) fn set_instead_of_add(&self) -> String {
        let add = self.words.iter().position(|word| word == "add");
        let words = self.words.iter().enumerate();
        line_of(words.map(|(at, word)| if Some(at) == add { "set" } else { word }))
    }
}

/// Words, quoted for a shell.
pub(crate) fn line_of(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let quoted = |word: &str| shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned());
    words.into_iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}
