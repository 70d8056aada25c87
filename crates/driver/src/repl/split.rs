//! Cuts lines into units, each a command or an input, and interprets them.

use super::mode::Mode;

/// The action that one unit of text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing: the line is blank.
    Nothing,
    /// Run this command line.
    Command(String),
    /// Send an input to a model.
    Input {
        /// Name of the model.
        model: String,
        /// The input as it is.
        text: String,
    },
}

/// Opens and closes an input of several lines.
const LONG: &str = "\"\"\"";

/// Whether the unit is complete: no quote is open, no backslash ends it, and no `"""` is open.
pub(super) fn is_complete(mode: &Mode, unit: &str) -> bool {
    match command_of(mode, unit) {
        Some(command) => shlex::split(command).is_some(),
        None => unit.trim_start().strip_prefix(LONG).is_none_or(|rest| rest.contains(LONG)),
    }
}

/// Returns the mark that keeps a text incomplete: an open quote, a backslash at the end, or `"""`; `None` if the text is
/// complete.
pub(super) fn missing(mode: &Mode, text: &str) -> Option<&'static str> {
    let (found, complete) = units(mode, text);
    let (last, before) = found.split_last().filter(|_| !complete)?;
    let mode = before.iter().fold(mode.clone(), |mode, unit| after(mode, unit));
    let Some(command) = command_of(&mode, last) else { return Some(LONG) };
    let (mut quote, mut escaped) = (None, false);
    for c in command.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"') | None, '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    Some(match quote {
        Some('\'') => "'",
        Some(_) => "\"",
        None => "\\",
    })
}

/// Cuts a text of several lines into units; a `use` among them changes how the rest is cut. The second value says whether the
/// last unit is complete.
pub(super) fn units<'a>(mode: &Mode, text: &'a str) -> (Vec<&'a str>, bool) {
    let mut mode = mode.clone();
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let ends = rest.match_indices('\n').map(|(at, _)| at).chain([rest.len()]);
        let Some(end) = ends.into_iter().find(|end| is_complete(&mode, &rest[..*end])) else {
            found.push(rest);
            return (found, false);
        };
        found.push(&rest[..end]);
        mode = after(mode, &rest[..end]);
        if end == rest.len() {
            return (found, true);
        }
        rest = &rest[end + 1..];
    }
}

/// Returns the mode after this unit, if it succeeds.
fn after(mode: Mode, unit: &str) -> Mode {
    let mut words = command_of(&mode, unit).unwrap_or_default().split_whitespace().skip_while(|word| *word == "mer");
    match (words.next(), words.next()) {
        (Some("use"), Some(model)) => Mode::Model(model.to_owned()),
        (Some("use"), None) => Mode::Commands,
        _ => mode,
    }
}

/// Interprets a complete unit.
pub(super) fn interpret(mode: &Mode, unit: &str) -> Action {
    if let Some(command) = command_of(mode, unit) {
        return if command.trim().is_empty() { Action::Nothing } else { Action::Command(command.to_owned()) };
    }
    let Mode::Model(model) = mode else { return Action::Nothing };
    let text = match unit.trim_start().strip_prefix(LONG) {
        Some(rest) => {
            let body = rest.split(LONG).next().unwrap_or(rest);
            let body = body.strip_prefix('\n').unwrap_or(body);
            body.strip_suffix('\n').unwrap_or(body)
        }
        None if unit.trim().is_empty() => return Action::Nothing,
        None => unit,
    };
    Action::Input { model: model.clone(), text: text.to_owned() }
}

/// Returns the command in a unit. A leading `/`, as in chats, is accepted in both modes.
fn command_of<'a>(mode: &Mode, unit: &'a str) -> Option<&'a str> {
    match (mode, unit.trim_start().strip_prefix('/')) {
        (_, Some(command)) => Some(command),
        (Mode::Commands, None) => Some(unit),
        (Mode::Model(_), None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Mode {
        Mode::Model("m".to_owned())
    }

    fn input(text: &str) -> Action {
        Action::Input { model: "m".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_command_goes_on_while_a_quote_or_a_backslash_is_open() {
        for (unit, complete) in [
            ("run iris 1", true),
            ("run iris 'a", false),
            ("run iris 'a\nb'", true),
            ("run iris \\", false),
            ("run iris \\\n1", true),
            ("# don't", true),
            ("", true),
            ("/run iris \"a", false),
        ] {
            assert_eq!(is_complete(&Mode::Commands, unit), complete, "{unit:?}");
        }
    }

    #[test]
    fn to_a_model_quotes_mean_nothing_and_three_open_a_longer_input() {
        assert!(is_complete(&model(), "don't \\"));
        assert!(!is_complete(&model(), "\"\"\"a"));
        assert!(is_complete(&model(), "\"\"\"a\nb\"\"\""));
        assert!(!is_complete(&model(), "/run 'x"));
        assert_eq!(interpret(&model(), "don't # hash"), input("don't # hash"));
        assert_eq!(interpret(&model(), "\"\"\"\na\n\nb\n\"\"\""), input("a\n\nb"));
        assert_eq!(interpret(&model(), "\"\"\"/etc\"\"\""), input("/etc"));
        assert_eq!(interpret(&model(), "\"\"\"\"\"\""), input(""));
        assert_eq!(interpret(&model(), "  "), Action::Nothing);
        assert_eq!(interpret(&model(), "/log list"), Action::Command("log list".to_owned()));
        assert_eq!(interpret(&model(), "/"), Action::Nothing);
    }

    #[test]
    fn an_unfinished_entry_says_what_it_waits_for() {
        for (mode, text, mark) in [
            (Mode::Commands, "run m 'a", Some("'")),
            (Mode::Commands, "run m \"a'", Some("\"")),
            (Mode::Commands, "run m \\", Some("\\")),
            (Mode::Commands, "run m 'a'", None),
            (Mode::Commands, "use m\n\"\"\"a", Some("\"\"\"")),
            (Mode::Commands, "use m\ndon't\n/run 'x", Some("'")),
            (model(), "don't", None),
            (model(), "\"\"\"a\nb", Some("\"\"\"")),
        ] {
            assert_eq!(missing(&mode, text), mark, "{text:?}");
        }
    }

    #[test]
    fn what_is_pasted_is_cut_into_its_lines() {
        let commands = Mode::Commands;
        assert_eq!(units(&commands, "a\nb 'c\nd'\n"), (vec!["a", "b 'c\nd'", ""], true));
        assert_eq!(units(&commands, "a\nb 'c\nd"), (vec!["a", "b 'c\nd"], false));
        assert_eq!(units(&commands, "use m\ndon't\n/use\ndon't"), (vec!["use m", "don't", "/use", "don't"], false));
        assert_eq!(units(&model(), "a\n\"\"\"b\nc\"\"\"\nd"), (vec!["a", "\"\"\"b\nc\"\"\"", "d"], true));
    }
}
