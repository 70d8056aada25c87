//! Output for people.

use std::fmt::Write;

use comfy_table::{ContentArrangement, presets::NOTHING};

use mer_core::{escaped, redacted};

use super::views::{Details, TableRow};
use crate::errors::CliError;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// A table that is written piece by piece: left-aligned columns two blanks apart, without lines and never truncated, so
/// that `awk` reads it too.
#[derive(Debug)]
pub(super) struct Table {
    /// Width of each column's widest cell so far; empty until the head is written.
    widths: Vec<u16>,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { widths: Vec::new() }
    }

    /// Returns the next rows, the first time below the head.
    pub(super) fn rows<T: TableRow>(&mut self, items: &[T], colour: bool) -> String {
        let rows: Vec<Vec<String>> = items.iter().map(TableRow::cells).collect();
        self.add(T::COLUMNS, &rows, colour)
    }

    /// Returns the next rows of these columns, the first time below the head.
    pub(super) fn add(&mut self, columns: &[&str], rows: &[Vec<String>], colour: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        let is_first = self.widths.is_empty();
        if is_first {
            table.set_header(columns.iter().map(|head| head.to_uppercase()));
        } else {
            // Skipped below: it keeps the columns as wide as they were.
            table.set_header(self.widths.iter().map(|width| "x".repeat(usize::from(*width))));
        }
        for cells in rows {
            table.add_row(cells.iter().map(|cell| if cell.is_empty() { "-".into() } else { escaped(cell) }));
        }
        self.widths = table.column_max_content_widths();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for (number, line) in table.lines().enumerate().skip(usize::from(!is_first)) {
            let line = line.trim_end();
            let _ = match (colour, number) {
                (true, 0) => writeln!(text, "{BOLD}{line}{PLAIN}"),
                _ => writeln!(text, "{line}"),
            };
        }
        text
    }
}

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
    for hint in error.hints() {
        let _ = writeln!(text, "{bold}hint:{plain} {}", indented(hint));
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

    impl TableRow for Row {
        const COLUMNS: &'static [&'static str] = &["name", "note"];
        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    impl Details for Row {
        fn fields(&self) -> Vec<(&'static str, String)> {
            vec![("name", self.0.to_owned()), ("long note", self.1.to_owned())]
        }
    }

    #[test]
    fn a_table_is_plain_columns_without_trailing_blanks() {
        let rows = [Row("a", "x"), Row("longer", ""), Row("ü\x1b[2J", "two words")];
        assert_eq!(Table::new().rows(&rows, false), "NAME      NOTE\na         x\nlonger    -\nü\\x1b[2J  two words\n");
        assert_eq!(Table::new().rows::<Row>(&[], false), "NAME  NOTE\n");
        assert!(Table::new().rows(&rows, true).starts_with("\x1b[1mNAME"));
    }

    #[test]
    fn a_table_that_comes_in_pieces_has_one_head_and_keeps_its_columns() {
        let mut columns = Table::new();
        assert_eq!(columns.rows(&[Row("longer", "x")], false), "NAME    NOTE\nlonger  x\n");
        assert_eq!(columns.rows(&[Row("a", "y")], false), "a       y\n");
        assert_eq!(columns.rows(&[Row("the longest", "z"), Row("b", "")], false), "the longest  z\nb            -\n");
        assert_eq!(columns.rows::<Row>(&[], true), "");
        assert_eq!(Table::new().rows::<Row>(&[], false), "NAME  NOTE\n");
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
