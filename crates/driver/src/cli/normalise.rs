//! Rewrites the words of a line before clap parses them: verbs of other tools, groups without a verb, and inputs that look
//! like flags.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};

use super::global::VALUE_FLAGS;

/// Put before a word that begins with `-` and is no flag, so that clap does not parse it as one. A private character, which
/// no typed word begins with.
const SHIELD: &str = "\u{f5e1}";

/// Verbs of other tools, and their equivalents.
const OTHER_TOOLS: &[(&str, &[&str])] = &[("ls", &["model", "list"]), ("list", &["model", "list"])];

/// Groups, each with the verb that it means by itself, and all its verbs.
const GROUPS: &[(&[&str], &str, &[&str])] = &[
    (&["model", "models"], "list", &["list", "ls", "show", "ping", "add", "set", "remove", "rm", "delete", "help"]),
    (&["server", "servers"], "list", &["list", "ls", "show", "ping", "add", "set", "remove", "rm", "delete", "help"]),
    (
        &["weights", "weight"],
        "list",
        &["list", "ls", "show", "put", "get", "alias", "remove", "rm", "delete", "gc", "help"],
    ),
    (&["log", "logs", "history"], "list", &["list", "ls", "show", "tail", "stats", "export", "prune", "drain", "help"]),
    (&["migrate", "migrations"], "up", &["up", "status", "plan", "wait", "baseline", "repair", "adopt", "help"]),
    (&["config", "settings"], "show", &["show", "list", "ls", "help"]),
];

const RUN: &[&str] = &["run", "execute", "exec", "infer", "train"];

/// Rewrites a line into one of the grammar. The first word is the name of the program.
pub(super) fn normalise(mut words: Vec<OsString>) -> Vec<OsString> {
    let Some(verb) = verb_at(&words) else { return words };
    if let Some((_, equivalent)) = OTHER_TOOLS.iter().find(|(name, _)| words[verb] == *name) {
        words.splice(verb..=verb, equivalent.iter().map(OsString::from));
    } else if let Some((_, default, verbs)) = GROUPS.iter().find(|(names, ..)| is(&words[verb], names)) {
        if lacks_verb(&words[verb + 1..], verbs) {
            words.insert(verb + 1, default.into());
        }
    } else if is(&words[verb], RUN) {
        // Behind `--` too: there the shield is not needed, and the value parser removes it all the same.
        words[verb + 1..].iter_mut().filter(|word| is_number_like(word)).for_each(shield);
    }
    words
}

/// Returns the position of the verb: the first word that is neither a flag nor a flag's value.
pub(super) fn verb_at(words: &[OsString]) -> Option<usize> {
    let mut index = 1;
    while let Some(word) = words.get(index) {
        if word == "--" {
            return None;
        }
        if !word.as_bytes().starts_with(b"-") {
            return Some(index);
        }
        index += if is(word, VALUE_FLAGS) { 2 } else { 1 };
    }
    None
}

fn is(word: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|name| word == *name)
}

fn lacks_verb(rest: &[OsString], verbs: &[&str]) -> bool {
    let next_is_no_verb = rest.first().is_none_or(|word| word.as_bytes().starts_with(b"-"));
    next_is_no_verb && !rest.iter().any(|word| is(word, verbs) || word == "-h" || word == "--help")
}

/// Whether a word is like `-5.1,3` or `-.5`: no flag begins with a digit.
fn is_number_like(word: &OsStr) -> bool {
    matches!(word.as_bytes(), [b'-', b'0'..=b'9', ..] | [b'-', b'.', b'0'..=b'9', ..])
}

fn shield(word: &mut OsString) {
    *word = OsString::from_vec([SHIELD.as_bytes(), word.as_bytes()].concat());
}

/// Removes shields, for messages that quote the line.
pub(super) fn unshielded(text: &str) -> String {
    text.replace(SHIELD, "")
}

/// Parses an argument that may be shielded.
pub(super) fn os_string() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().map(|word| match word.as_bytes().strip_prefix(SHIELD.as_bytes()) {
        Some(bare) => OsString::from_vec(bare.to_vec()),
        None => word,
    })
}

/// Parses an argument in UTF-8 that may be shielded.
pub(super) fn string() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().map(|text| unshielded(&text))
}
