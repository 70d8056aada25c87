//! From words to a command, and from what is wrong with them to an error of ours.

use std::{cell::RefCell, ffi::OsString};

use clap::{
    Command, CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    Cli, Typed,
    normalise::{normalise, unshielded, verb_at},
};
use crate::errors::{CliError, did_you_mean};

/// What a line asks for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A command.
    Command(Box<Cli>),
    /// Help or the version, ready to be printed: plain, and with colour.
    Tell {
        /// Without colour.
        plain: String,
        /// With colour.
        styled: String,
    },
}

thread_local! {
    /// Made once, because making it takes longer than all else that a line of a script asks for.
    static GRAMMAR: RefCell<Command> = RefCell::new(command());
}

/// The grammar as clap has it: for help, completion scripts and the REPL's own completion.
pub(crate) fn command() -> Command {
    Cli::command()
}

/// The whole help, plain and with colour, and a paragraph behind it. It is wrapped to the terminal's width.
pub(crate) fn help_with(paragraph: &str) -> (String, String) {
    let grammar = command();
    let after = grammar.get_after_help().map(ToString::to_string).unwrap_or_default();
    let help = grammar.after_help(format!("{after}\n\n{paragraph}")).render_long_help();
    (help.to_string(), help.ansi().to_string())
}

/// Reads a line. Its first word is the program's name.
///
/// # Errors
/// It is not in the grammar (64).
pub(crate) fn parse(words: Vec<OsString>) -> Result<Parsed, CliError> {
    let typed = words.clone();
    let words = normalise(words);
    let matched = GRAMMAR.with_borrow_mut(|grammar| grammar.try_get_matches_from_mut(&words));
    let matched = matched.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match matched {
        Ok(mut cli) => {
            cli.typed = Typed::new(&typed, cli.global.no_input);
            Ok(Parsed::Command(Box::new(cli)))
        }
        Err(error) if !error.use_stderr() => {
            let rendered = error.render();
            Ok(Parsed::Tell { plain: rendered.to_string(), styled: rendered.ansi().to_string() })
        }
        Err(error) => Err(usage_error(&error, &words)),
    }
}

/// Splits a line of the REPL or of a script into words as a POSIX shell would, without expanding anything. The program's
/// name is put in front; a `mer` that was typed is ignored. An empty line, or a comment, is no words but the name.
///
/// # Errors
/// A quote is not closed, or a backslash ends the line (64).
pub(crate) fn split_line(line: &str) -> Result<Vec<OsString>, CliError> {
    let words = shlex::split(&joined(line)).ok_or_else(|| {
        CliError::usage("a quote is not closed, or a backslash ends the line").hint("quote a `'` as `\"'\"`")
    })?;
    let skip = usize::from(words.first().is_some_and(|word| word == "mer"));
    Ok(std::iter::once("mer".to_owned()).chain(words.into_iter().skip(skip)).map(OsString::from).collect())
}

/// The line without the newlines that a backslash hides, as a shell takes them out before it looks for words. (shlex
/// leaves an empty word where such a newline stands between words.)
fn joined(line: &str) -> String {
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

/// Whether a line that could not be read asks for JSON all the same.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

fn usage_error(error: &clap::Error, words: &[OsString]) -> CliError {
    let one = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(unshielded(text)),
        Some(ContextValue::Strings(texts)) => texts.first().map(|text| unshielded(text)),
        _ => None,
    };
    let many = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![unshielded(text)],
        Some(ContextValue::Strings(texts)) => texts.iter().map(|text| unshielded(text)).collect(),
        _ => Vec::new(),
    };
    // `--limit <N>` is the flag `--limit`.
    let argument = one(ContextKind::InvalidArg).unwrap_or_default();
    let argument = argument.split_once(" <").map_or(argument.as_str(), |(flag, _)| flag).to_owned();
    // Asked before the shield is gone: a shielded word looks like a flag and is none.
    let is_flag =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(text)) if text.starts_with('-'));
    let value = one(ContextKind::InvalidValue).unwrap_or_default();
    let verbs = |command: &Command| -> Vec<String> {
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(|sub| sub.get_name().to_owned()).collect()
    };
    let at = position(words);
    let told = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let wrong = one(ContextKind::InvalidSubcommand).unwrap_or_default();
            let known = verbs(&at.command);
            if known.is_empty() {
                // `help run extra`: what stands before it has no commands of its own.
                return CliError::usage(format!("unexpected argument `{wrong}`"))
                    .hint(format!("`mer {}` is the whole command", at.prefix.trim_end()));
            }
            let told = CliError::usage(format!("there is no command `{}{wrong}`", at.prefix));
            match did_you_mean(&wrong, known.iter().map(String::as_str)) {
                Some(hint) => return told.hint(hint),
                None => told.hint(format!("commands: {}", known.join(", "))),
            }
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            CliError::usage(format!("`mer {}` needs a command", at.prefix.trim()))
                .hint(format!("one of {}", verbs(&at.command).join(", ")))
        }
        ErrorKind::UnknownArgument if is_flag => {
            let near = match one(ContextKind::SuggestedArg) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None => did_you_mean(&argument, long_flags(&at.command).iter().map(String::as_str)),
            };
            let told = CliError::usage(format!("there is no flag `{argument}` here"));
            let told = match near {
                Some(hint) => told.hint(hint),
                None => told,
            };
            if takes_input(&at.prefix) {
                let verb = at.prefix.trim_end();
                return told
                    .hint(format!("an input that begins with `-` comes after `--`: `mer {verb} MODEL -- {argument}`"));
            }
            told
        }
        ErrorKind::UnknownArgument if takes_input(&at.prefix) => {
            CliError::usage(format!("unexpected argument `{argument}`"))
                .hint("an input is one word: put quotes around it")
        }
        ErrorKind::UnknownArgument if matches!(at.prefix.as_str(), "model add " | "model set ") => {
            CliError::usage(format!("unexpected argument `{argument}`"))
                .hint("the model's command comes after `--`: `mer model add NAME -- python3 model.py`")
        }
        ErrorKind::UnknownArgument => CliError::usage(format!("unexpected argument `{argument}`")),
        ErrorKind::MissingRequiredArgument => {
            CliError::usage(format!("missing: {}", many(ContextKind::InvalidArg).join(" ")))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::WrongNumberOfValues if value.is_empty() => {
            CliError::usage(format!("`{argument}` needs a value"))
        }
        ErrorKind::InvalidValue => {
            let valid = many(ContextKind::ValidValue);
            let told = CliError::usage(format!("the value `{value}` of `{argument}` is not valid"));
            let told = told.did_you_mean(&value, valid.iter().map(String::as_str));
            if valid.is_empty() { told } else { told.hint(format!("one of {}", valid.join(", "))) }
        }
        ErrorKind::ValueValidation => {
            let told = CliError::usage(format!("the value `{value}` of `{argument}` is not valid"));
            match std::error::Error::source(error) {
                Some(source) => told.caused_by(expected(&source.to_string())),
                None => told,
            }
        }
        ErrorKind::ArgumentConflict => match one(ContextKind::PriorArg) {
            Some(prior) if prior == argument => CliError::usage(format!("`{argument}` is given twice")),
            Some(prior) => CliError::usage(format!("`{argument}` and `{prior}` cannot be used together")),
            None => CliError::usage(format!("`{argument}` cannot be used with the other arguments")),
        },
        ErrorKind::InvalidUtf8 => CliError::usage("an argument is not valid UTF-8, which only an input may be"),
        _ => {
            let text = unshielded(&error.to_string());
            let first = text.lines().next().unwrap_or_default();
            CliError::usage(first.strip_prefix("error: ").unwrap_or(first))
        }
    };
    told.hint(format!("`mer {}--help` shows how it is written", at.prefix))
}

/// What the standard library says of a number, in other words.
fn expected(cause: &str) -> String {
    match cause {
        "invalid digit found in string" | "cannot parse integer from empty string" => "a whole number is expected",
        "number too large to fit in target type" => "the number is too large",
        "number too small to fit in target type" => "the number is too small",
        other => other,
    }
    .to_owned()
}

/// Whether these verbs have an input.
fn takes_input(prefix: &str) -> bool {
    matches!(prefix, "run " | "train ")
}

/// How far into the grammar the words lead.
struct Position {
    command: Command,
    /// The verbs so far, each with a blank after it.
    prefix: String,
}

fn position(words: &[OsString]) -> Position {
    let mut command = command();
    command.build();
    let mut at = Position { command, prefix: String::new() };
    let from = verb_at(words).unwrap_or(words.len());
    for word in &words[from..] {
        let Some(sub) = at.command.find_subcommand(word) else { break };
        let sub = sub.clone();
        at.prefix.push_str(sub.get_name());
        at.prefix.push(' ');
        at.command = sub;
    }
    at
}

fn long_flags(command: &Command) -> Vec<String> {
    command.get_arguments().filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect()
}
