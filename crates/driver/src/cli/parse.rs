//! Parses words into a command, and turns clap's errors into those of MER.

use std::{cell::RefCell, ffi::OsString};

use clap::{
    Command, CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    command_line::CommandLine,
    grammar::Cli,
    normalise::{normalise, unshielded, verb_at},
};
use crate::errors::{CliError, did_you_mean};

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

/// Returns clap's grammar, for help, completion scripts and the REPL's completion.
pub(crate) fn command() -> Command {
    Cli::command()
}

/// Returns the whole help with a paragraph behind it, plain and with colour. It is wrapped to the terminal's width.
pub(crate) fn help_with(paragraph: &str) -> (String, String) {
    let grammar = command();
    let after = grammar.get_after_help().map(ToString::to_string).unwrap_or_default();
    let help = grammar.after_help(format!("{after}\n\n{paragraph}")).render_long_help();
    (help.to_string(), help.ansi().to_string())
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
    // Checked with the shield: a shielded word begins with `-` and is no flag.
    let is_flag =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(text)) if text.starts_with('-'));
    let value = one(ContextKind::InvalidValue).unwrap_or_default();
    let verbs = |command: &Command| -> Vec<String> {
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(|sub| sub.get_name().to_owned()).collect()
    };
    let at = position(words);
    let usage = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let wrong = one(ContextKind::InvalidSubcommand).unwrap_or_default();
            let known = verbs(&at.command);
            if known.is_empty() {
                // `help run extra`: `run` has no commands.
                return CliError::usage(format!("unexpected argument `{wrong}`"))
                    .hint(format!("`mer {}` is the whole command", at.prefix.trim_end()));
            }
            let usage = CliError::usage(format!("there is no command `{}{wrong}`", at.prefix));
            match did_you_mean(&wrong, known.iter().map(String::as_str)) {
                Some(hint) => return usage.hint(hint),
                None => usage.hint(format!("commands: {}", known.join(", "))),
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
            let usage = CliError::usage(format!("there is no flag `{argument}` here"));
            let usage = match near {
                Some(hint) => usage.hint(hint),
                None => usage,
            };
            if takes_input(&at.prefix) {
                let verb = at.prefix.trim_end();
                return usage
                    .hint(format!("an input that begins with `-` comes after `--`: `mer {verb} MODEL -- {argument}`"));
            }
            usage
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
            let usage = CliError::usage(format!("the value `{value}` of `{argument}` is not valid"));
            let usage = usage.did_you_mean(&value, valid.iter().map(String::as_str));
            if valid.is_empty() { usage } else { usage.hint(format!("one of {}", valid.join(", "))) }
        }
        ErrorKind::ValueValidation => {
            let usage = CliError::usage(format!("the value `{value}` of `{argument}` is not valid"));
            match std::error::Error::source(error) {
                Some(source) => usage.caused_by(reworded(&source.to_string())),
                None => usage,
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
    usage.hint(format!("`mer {}--help` shows how it is written", at.prefix))
}

/// Rewords the standard library's messages about numbers.
fn reworded(cause: &str) -> String {
    match cause {
        "invalid digit found in string" | "cannot parse integer from empty string" => "a whole number is expected",
        "number too large to fit in target type" => "the number is too large",
        "number too small to fit in target type" => "the number is too small",
        other => other,
    }
    .to_owned()
}

/// Whether the verb takes an input.
fn takes_input(prefix: &str) -> bool {
    matches!(prefix, "run " | "train ")
}

/// The command of the grammar that the words lead to.
struct Position {
    command: Command,
    /// The verbs up to it, each with a blank behind it.
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
