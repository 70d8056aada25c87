//! Output for people.

use std::fmt::Write;

use mer_core::{escaped, redacted};

use super::views::Details;
use crate::errors::CliError;

pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const RED: &str = "\x1b[1;31m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// Formats an object: a label and its value on each line; a value of several lines is indented below its label.
pub(super) fn fields<T: Details>(item: &T, colour: bool) -> String {
    let fields = item.fields();
    let width = fields.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (label, value) in fields {
        let (on, off) = if colour { (BOLD, PLAIN) } else { ("", "") };
        let _ = if value.trim_end_matches('\n').contains('\n') {
            let body: String = value.lines().map(indented_line).collect();
            write!(text, "{on}{label}{off}\n{body}")
        } else {
            writeln!(text, "{on}{label:width$}{off}  {}", escaped(value.trim_end_matches('\n')))
        };
    }
    text
}

fn indented_line(line: &str) -> String {
    if line.is_empty() { "\n".to_owned() } else { format!("    {}\n", escaped(line)) }
}

/// Formats a failure: `mer: …`, then a line for each cause and hint. Passwords are redacted in all of them.
pub(super) fn error(error: &CliError, colour: bool) -> String {
    let (red, bold, plain) = if colour { (RED, BOLD, PLAIN) } else { ("", "", "") };
    let mut text = format!("{red}mer:{plain} {}\n", indented(&error.to_string()));
    for cause in error.causes() {
        let _ = writeln!(text, "{bold}caused by:{plain} {}", indented(&cause));
    }
    for hint in error.shown_hints() {
        let _ = writeln!(text, "{bold}hint:{plain} {}", indented(&hint));
    }
    text
}

/// Indents all lines but the first, so that a message of several lines is seen as one.
fn indented(message: &str) -> String {
    redacted(message.trim_end()).lines().map(escaped).collect::<Vec<_>>().join("\n    ")
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Row(&'static str, &'static str);

    impl Details for Row {
        fn fields(&self) -> Vec<(&'static str, String)> {
            vec![("name", self.0.to_owned()), ("long note", self.1.to_owned())]
        }
    }

    #[test]
    fn an_object_is_a_label_and_a_value_a_line() {
        assert_eq!(fields(&Row("a", "x\n"), false), "name       a\nlong note  x\n");
        assert_eq!(fields(&Row("a", "x\ny\n"), false), "name       a\nlong note\n    x\n    y\n");
    }

    #[test]
    fn a_failure_shows_no_password_and_nothing_invisible() {
        let failure = CliError::usage("there is no flag `--dbb=postgres://u:hunter2@h/d`")
            .caused_by("ws://u:hunter2@h said \u{202e}no\u{9b}2J")
            .hint("`mer --db=ws://u:hunter2@h \u{200b}x`");
        assert_eq!(
            error(&failure, false),
            "mer: there is no flag `--dbb=postgres://u:******@h/d`\ncaused by: ws://u:******@h said \\u{202e}no\\u{9b}2J\n\
             hint: `mer --db=ws://u:******@h \\u{200b}x`\n"
        );
    }

    #[test]
    fn a_failure_is_message_causes_hints() {
        let failure = CliError::io("cannot read `x`", std::io::Error::other("gone\nfor good")).hint("look elsewhere");
        assert_eq!(
            error(&failure, false),
            "mer: cannot read `x`\ncaused by: gone\n    for good\nhint: look elsewhere\n"
        );
    }
}
