//! The argument that names the input of a run.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use crate::errors::CliError;

/// The input of a model, as the command line names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Input {
    /// No argument: standard input unless that is a terminal, otherwise nothing.
    #[default]
    Absent,
    /// `-`: standard input, byte for byte.
    Stdin,
    /// `@FILE`: the file, byte for byte.
    File(PathBuf),
    /// The bytes of the word itself; the newline that is sent after it is not included.
    Text(Vec<u8>),
}

impl Input {
    /// Parses the argument; `@@x` is a literal `@x`.
    ///
    /// # Errors
    /// `@` alone names no file.
    pub(crate) fn from_word(word: Option<&OsStr>) -> Result<Self, CliError> {
        let Some(word) = word else { return Ok(Self::Absent) };
        Ok(match word.as_bytes() {
            b"-" => Self::Stdin,
            b"@" => return Err(CliError::usage("`@` names no file").hint("write `@FILE`, or `@@` for a literal `@`")),
            [b'@', literal @ ..] if literal.starts_with(b"@") => Self::Text(literal.to_vec()),
            [b'@', file @ ..] => Self::File(OsString::from_vec(file.to_vec()).into()),
            text => Self::Text(text.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Input {
        Input::from_word(Some(OsStr::new(word))).expect(word)
    }

    #[test]
    fn the_input_rules_of_the_contract() {
        assert_eq!(Input::from_word(None).expect("absent"), Input::Absent);
        assert_eq!(read("-"), Input::Stdin);
        assert_eq!(read("@dir/file"), Input::File("dir/file".into()));
        assert_eq!(read("@-"), Input::File("-".into()));
        assert_eq!(read("@@x"), Input::Text(b"@x".to_vec()));
        assert_eq!(read("@@"), Input::Text(b"@".to_vec()));
        assert_eq!(read("-5.1,3"), Input::Text(b"-5.1,3".to_vec()));
        assert_eq!(read(""), Input::Text(Vec::new()));
        assert_eq!(Input::from_word(Some(OsStr::new("@"))).expect_err("no file").exit_code(), 64);
    }

    #[test]
    fn an_input_need_not_be_utf8() {
        assert_eq!(Input::from_word(Some(OsStr::from_bytes(b"\xff"))).expect("bytes"), Input::Text(b"\xff".to_vec()));
    }
}
