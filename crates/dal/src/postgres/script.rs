//! A script's statements and where they begin, so that an error can name them. The server itself gets the whole text.

/// The first line of a script that is not to be run in a transaction.
const NO_TRANSACTION: &str = "-- mer: no-transaction";

/// As much of a statement as a message shows.
const SUMMARY_CHARS: usize = 80;

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Where its first word begins, in bytes.
    pub(super) begin: usize,
    /// Line of its first word, from 1.
    pub(super) line: usize,
    /// Its text, without the semicolon.
    pub(super) text: &'a str,
}

impl Statement<'_> {
    /// The statement on one line, shortened.
    pub(super) fn summary(&self) -> String {
        let words = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(SUMMARY_CHARS) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}

/// Whether a script is to be run in a transaction.
pub(super) fn in_transaction(script: &str) -> bool {
    script.lines().next().is_none_or(|line| line.trim_end() != NO_TRANSACTION)
}

/// The line of a byte of the script, from 1.
pub(super) fn line_of(script: &str, at: usize) -> usize {
    script.as_bytes()[..at.min(script.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Splits a script at the semicolons that are outside of strings, quoted names and comments.
pub(super) fn statements(script: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut at = 0;
    let mut word = false;
    while let Some(c) = script[at..].chars().next() {
        let rest = &script[at..];
        if let Some(length) = comment(rest) {
            at += length;
            word = false;
            continue;
        }
        if c == ';' {
            found.extend(begin.take().map(|begin| statement(script, begin, at)));
            at += 1;
            continue;
        }
        if !c.is_whitespace() {
            begin.get_or_insert(at);
        }
        // In the middle of a word neither `e'` nor `$` begins anything.
        at += if word && c != '\'' && c != '"' { c.len_utf8() } else { quoted(rest).unwrap_or(c.len_utf8()) };
        word = c.is_alphanumeric() || c == '_' || c == '$';
    }
    found.extend(begin.map(|begin| statement(script, begin, script.len())));
    found
}

fn statement(script: &str, begin: usize, end: usize) -> Statement<'_> {
    Statement { begin, line: line_of(script, begin), text: script[begin..end].trim_end() }
}

/// The length of a comment that begins here. Those in `/* */` are nested.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// The length of a string or quoted name that begins here.
fn quoted(text: &str) -> Option<usize> {
    if let Some(tag) = dollar_tag(text) {
        let inside = &text[tag.len()..];
        return Some(inside.find(tag).map_or(text.len(), |end| end + 2 * tag.len()));
    }
    let (open, inside) = match text.as_bytes() {
        [quote @ (b'\'' | b'"'), ..] => (*quote, 1),
        [b'e' | b'E', b'\'', ..] => (b'\'', 2),
        _ => return None,
    };
    // Quotes inside are doubled, which reads as two strings side by side.
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(inside) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside == 2 => escaped = true,
            _ if byte == open => return Some(at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// `$$` or `$tag$`.
fn dollar_tag(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('$')?;
    let end = inside.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let is_tag = inside[end..].starts_with('$') && !inside.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_with_their_lines() {
        let script = "-- a; comment\nCREATE TABLE a ();\n\n/* b; /* c; */\n */ INSERT INTO \"a;b\" VALUES ('it''s; ', E'\\';') ;\n\
                      DO $$ BEGIN; END $$;\nCREATE FUNCTION f() AS $body$ x; $$ ; $body$;\nSELECT $1;a$b$;\nSELECT 'ü' -- end;\n";
        let found: Vec<_> = statements(script).iter().map(|s| (s.line, s.summary())).collect();
        assert_eq!(
            found,
            [
                (2, "CREATE TABLE a ()".to_owned()),
                (5, "INSERT INTO \"a;b\" VALUES ('it''s; ', E'\\';')".to_owned()),
                (6, "DO $$ BEGIN; END $$".to_owned()),
                (7, "CREATE FUNCTION f() AS $body$ x; $$ ; $body$".to_owned()),
                (8, "SELECT $1".to_owned()),
                (8, "a$b$".to_owned()),
                (9, "SELECT 'ü' -- end;".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_ends_with_the_script() {
        for script in ["SELECT 'x;", "SELECT $$ ;", "/* ", "\"", "$", "$a", "E'\\", "e"] {
            assert!(statements(script).len() <= 1, "{script}");
        }
        assert!(statements("\n -- nothing\n ;; \n").is_empty());
    }

    #[test]
    fn the_first_line_opts_out_of_the_transaction() {
        assert!(!in_transaction("-- mer: no-transaction\nCREATE INDEX"));
        assert!(in_transaction("-- a comment\n-- mer: no-transaction\n"));
        assert!(in_transaction(""));
    }
}
