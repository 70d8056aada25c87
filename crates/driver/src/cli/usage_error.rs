//! Turns clap's errors into those of MER, with hints.

use std::ffi::OsString;

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    grammar::command,
    normalise::{unshielded, verb_at},
};
use crate::errors::{CliError, did_you_mean};

/// Turns an error of clap's into one of MER's. `words` are those that clap parsed.
pub(super) fn usage_error(error: &clap::Error, words: &[OsString]) -> CliError {
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
        ErrorKind::ArgumentConflict => {
            let (argument, prior) = (plain_name(&argument), one(ContextKind::PriorArg));
            match prior.as_deref().map(plain_name) {
                Some(prior) if prior == argument => CliError::usage(format!("`{argument}` is given twice")),
                Some(prior) => CliError::usage(format!("`{argument}` and `{prior}` cannot be used together")),
                None => CliError::usage(format!("`{argument}` cannot be used with the other arguments")),
            }
        }
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

/// Returns the name of an argument without the notation of the grammar: `MODEL` of `[MODEL]...`, `--errors` of
/// `--errors <FILE>`.
fn plain_name(argument: &str) -> &str {
    let name = argument.split_once([' ', '=']).map_or(argument, |(flag, _)| flag);
    let name = name.strip_suffix("...").unwrap_or(name);
    let within = |open, close| name.strip_prefix(open).and_then(|name: &str| name.strip_suffix(close));
    within('[', ']').or_else(|| within('<', '>')).unwrap_or(name)
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
