//! Properties of a SurrealQL script that the driver must know: whether it controls its transaction, and where the
//! engine found a syntax error.

use crate::{Dialect, script_statements::Statement};

/// Returns the first statement that would begin or end the script's transaction. A `RETURN` counts, because the
/// statements behind it are not run, and the last of them writes the script's row.
pub(super) fn transaction_control<'a, 'b>(statements: &'a [Statement<'b>]) -> Option<&'a Statement<'b>> {
    statements.iter().find(|statement| {
        let end = statement.text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(statement.text.len());
        let first = &statement.text[..end];
        ["BEGIN", "COMMIT", "CANCEL", "RETURN"].iter().any(|word| first.eq_ignore_ascii_case(word))
    })
}

/// A syntax error of the engine, for a script with lines of ours around it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Line in the script, from 1.
    pub(super) line: usize,
    /// Statement on that line, shortened to one line.
    pub(super) statement: Option<String>,
    /// Message with the line numbers of the script, without excerpts of our lines.
    pub(super) message: String,
}

/// Parses a message with excerpts such as
///
/// ```text
///  --> [6:21]
///   |
/// 6 | CREATE foo SET b = ;
///   |                    ^
/// ```
///
/// Returns `None` if there is no excerpt. An error behind the script, such as a bracket that is never closed, counts as
/// one at its end.
pub(super) fn syntax_error(message: &str, script: &str, lines_before: usize) -> Option<SyntaxError> {
    let script = script.trim_end();
    let lines = script.lines().count().max(1);
    let (mut first, mut inside, mut found) = (None, true, false);
    let (mut numbers, mut kept) = (None, Vec::new());
    for text in message.lines() {
        if let Some((line, column)) = position(text) {
            found = true;
            let own = line.checked_sub(lines_before).filter(|line| (1..=lines).contains(line));
            inside = own.is_some();
            numbers = own.map(|own| (line.to_string(), own.to_string()));
            first = first.or(own.map(|own| (own, column)));
        }
        if inside {
            kept.push(renumbered(text, numbers.as_ref()));
        }
    }
    if !found {
        return None;
    }
    let offset = first.map_or(script.len(), |(line, column)| offset(script, line, column));
    let statement = Dialect::Surreal.statements(script).into_iter().rfind(|statement| statement.begin <= offset);
    let line = first.map_or(lines, |(line, _)| line);
    let statement = statement.map(|statement| statement.summary());
    Some(SyntaxError { line, statement, message: kept.join("\n") })
}

/// Parses line and column of ` --> [LINE:COLUMN]`.
fn position(text: &str) -> Option<(usize, usize)> {
    let (line, column) = text.trim().strip_prefix("--> [")?.strip_suffix(']')?.split_once(':')?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// Replaces the line number in a line of an excerpt, with the same width.
fn renumbered(text: &str, numbers: Option<&(String, String)>) -> String {
    let Some((theirs, own)) = numbers else { return text.to_owned() };
    let width = theirs.len();
    if let Some(rest) = text.strip_prefix(theirs.as_str()).filter(|rest| rest.starts_with(" |")) {
        return format!("{own:>width$}{rest}");
    }
    match position(text) {
        Some(_) => text.replacen(&format!("[{theirs}:"), &format!("[{own}:"), 1),
        None => text.to_owned(),
    }
}

/// Returns the offset of a line and a column, both from 1.
fn offset(script: &str, line: usize, column: usize) -> usize {
    let before: usize = script.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let inside =
        script[before..].char_indices().nth(column.saturating_sub(1)).map_or(script.len(), |(at, _)| before + at);
    inside.min(script.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_begin_or_end_the_transaction_is_found() {
        let found = |script: &str| {
            let statements = Dialect::Surreal.statements(script);
            transaction_control(&statements).map(|statement| statement.line)
        };
        for script in ["commit", "BEGIN TRANSACTION;", "Cancel ;", "COMMIT/* now */;", "cancel--now\n", "RETURN(1);"] {
            assert_eq!(found(&format!("CREATE a;\n-- then\n{script}")), Some(3), "{script}");
        }
        assert_eq!(found("CREATE a SET x = 'b; COMMIT;'; CREATE commit; DEFINE FIELD cancel ON a;"), None);
    }

    #[test]
    fn a_syntax_error_is_told_in_the_scripts_own_counting() {
        let script = "-- a\nCREATE a;\nCREATE b SET x = ;\n";
        let excerpt = |at: &str, line: &str, text: &str| format!("  --> [{at}]\n   |\n{line} | {text}\n   | ^ why\n");
        let told = format!("Parse error: no\n{}", excerpt("10:18", "10", "CREATE b SET x = ;"));
        let error = syntax_error(&told, script, 7).expect("a place");
        assert_eq!((error.line, error.statement.as_deref()), (3, Some("CREATE b SET x =")));
        assert_eq!(error.message, "Parse error: no\n  --> [3:18]\n   |\n 3 | CREATE b SET x = ;\n   | ^ why");

        // Lines behind the script are not shown, and an excerpt of the script takes precedence over its end.
        let told = format!("no\n{}{}", excerpt("12:1", "12", "COMMIT;"), excerpt("9:1", " 9", "CREATE a;"));
        let error = syntax_error(&told, script, 7).expect("a place");
        assert_eq!((error.line, error.statement.as_deref()), (2, Some("CREATE a")));
        assert!(!error.message.contains("COMMIT"), "{}", error.message);
        let error = syntax_error(&excerpt("12:1", "12", "COMMIT;"), script, 7).expect("a place");
        assert_eq!((error.line, error.statement.as_deref()), (3, Some("CREATE b SET x =")));
        assert_eq!(error.message, "");

        assert_eq!(syntax_error("no excerpt", script, 7), None);
        assert_eq!(syntax_error(" --> [1:1]", "", 0).map(|error| error.line), Some(1));
    }
}
