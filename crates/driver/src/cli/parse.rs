//! Parses words into a command.

use std::{cell::RefCell, ffi::OsString};

use clap::{Command, FromArgMatches};

use super::{
    command_line::CommandLine,
    grammar::{Cli, command},
    normalise::normalise,
    usage_error::usage_error,
};
use crate::errors::CliError;

/// A parsed line.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A command.
    Command(Box<Cli>),
    /// Help or the version, ready to be printed.
    Help {
        /// Without colour.
        plain: String,
        /// With colour.
        styled: String,
    },
}

thread_local! {
    /// Built once: building it takes longer than the rest of parsing a line.
    static GRAMMAR: RefCell<Command> = RefCell::new(command());
}

/// Parses a line. The first word is the name of the program.
///
/// # Errors
/// The line does not match the grammar (64).
pub(crate) fn parse(words: Vec<OsString>) -> Result<Parsed, CliError> {
    let original = words.clone();
    let words = normalise(words);
    let matched = GRAMMAR.with_borrow_mut(|grammar| grammar.try_get_matches_from_mut(&words));
    let matched = matched.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match matched {
        Ok(mut cli) => {
            cli.command_line = CommandLine::new(&original, cli.global.no_input);
            Ok(Parsed::Command(Box::new(cli)))
        }
        Err(error) if !error.use_stderr() => {
            let rendered = error.render();
            Ok(Parsed::Help { plain: rendered.to_string(), styled: rendered.ansi().to_string() })
        }
        Err(error) => Err(usage_error(&error, &words)),
    }
}

/// Splits a line of the REPL or of a script into words as a POSIX shell does, without expanding anything. The name of the
/// program is added in front; a leading `mer` is ignored. For an empty line or a comment the name is the only word.
///
/// # Errors
/// A quote is not closed, or a backslash ends the line (64).
pub(crate) fn split_line(line: &str) -> Result<Vec<OsString>, CliError> {
    let words = shlex::split(&join_continued(line)).ok_or_else(|| {
        CliError::usage("a quote is not closed, or a backslash ends the line").hint("quote a `'` as `\"'\"`")
    })?;
    let skip = usize::from(words.first().is_some_and(|word| word == "mer"));
    Ok(std::iter::once("mer".to_owned()).chain(words.into_iter().skip(skip)).map(OsString::from).collect())
}

/// Removes each newline behind a backslash, as a shell does before it splits words. (shlex makes an empty word of one between
/// words.)
fn join_continued(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut in_single_quotes = false;
    let mut in_double_quotes = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if !in_single_quotes => match chars.next() {
                Some('\n') => {}
                next => text.extend(std::iter::once(c).chain(next)),
            },
            '\'' if !in_double_quotes => {
                in_single_quotes = !in_single_quotes;
                text.push(c);
            }
            '"' if !in_single_quotes => {
                in_double_quotes = !in_double_quotes;
                text.push(c);
            }
            _ => text.push(c),
        }
    }
    text
}

/// Whether a line asks for JSON, even if it cannot be parsed.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}
