//! The words of a command line as they were typed, for messages that say what to type instead.

use std::ffi::OsString;

use mer_core::redacted_command_line;

/// A command line as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    words: Vec<String>,
    /// Flags that the running `mer` was started with, if the line was typed into it.
    start_flags: Vec<String>,
    /// Whether the line has `--no-input`.
    pub(crate) no_input: bool,
}

impl CommandLine {
    /// The first of `words` is the name of the program. Passwords are redacted.
    pub(super) fn new(words: &[OsString], no_input: bool) -> Self {
        let words: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        let words = redacted_command_line(words.iter().map(|word| &**word));
        Self { words, start_flags: Vec::new(), no_input }
    }

    /// Adds the flags that the running `mer` was started with.
    #[must_use]
    pub(crate) fn started_with(self, flags: Vec<String>) -> Self {
        Self { start_flags: flags, ..self }
    }

    /// Returns the line without the name of the program, quoted for a shell, with the flags of the running `mer` in front.
    pub(crate) fn line(&self) -> String {
        line_of(self.start_flags.iter().chain(&self.words))
    }

    /// Whether the line itself allows changes of the registry.
    pub(crate) fn allows_changes(&self) -> bool {
        let flags = self.words.iter().take_while(|word| *word != "--");
        flags.into_iter().any(|word| word == "--allow-changes" || word == "--allow-model-server-runtime-changes")
    }

    /// Returns the line with these flags behind its verb, without those that it has already, and without `--force`.
    pub(crate) fn resuming(&self, verb: &str, flags: &[&'static str]) -> String {
        let end = self.words.iter().position(|word| word == "--").unwrap_or(self.words.len());
        let (head, operands) = self.words.split_at(end);
        let is_kept = |word: &&String| word.as_str() != "--force" && !flags.contains(&word.as_str());
        let head: Vec<&str> = head.iter().filter(is_kept).map(String::as_str).collect();
        let (before, behind) = head.split_at(head.iter().position(|word| *word == verb).map_or(0, |at| at + 1));
        let start = self.start_flags.iter().map(String::as_str);
        line_of(start.chain([before, flags, behind].concat()).chain(operands.iter().map(String::as_str)))
    }

    /// Returns the line with `set` in place of the verb `add`.
    pub(crate) fn set_instead_of_add(&self) -> String {
        let add = self.words.iter().position(|word| word == "add");
        let words = self.words.iter().enumerate();
        line_of(words.map(|(at, word)| if Some(at) == add { "set" } else { word }))
    }
}

/// Joins words, quoted for a shell.
pub(crate) fn line_of(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let quoted = |word: &str| shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned());
    words.into_iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}
