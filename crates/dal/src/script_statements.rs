//! The statements of a migration script and where they begin, so that an error can name them. The database itself gets the
//! whole text.

use crate::Dialect;

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Offset of its first word in bytes.
    pub(crate) begin: usize,
    /// Line of its first word, from 1.
    pub(crate) line: usize,
    /// Text without the semicolon.
    pub(crate) text: &'a str,
}

/// Number of characters of a statement that a message shows.
const SUMMARY_CHARS: usize = 80;

impl Statement<'_> {
    /// Returns the statement on one line, shortened.
    pub(crate) fn summary(&self) -> String {
        let words = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(SUMMARY_CHARS) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}

impl Dialect {
    /// Splits a script at the semicolons outside of strings, quoted names and comments; in SurrealQL also outside of
    /// brackets.
    pub(crate) fn statements(self, script: &str) -> Vec<Statement<'_>> {
        let mut found = Vec::new();
        let mut begin = None;
        let mut depth = 0usize;
        let mut in_word = false;
        let mut at = 0;
        while let Some(c) = script[at..].chars().next() {
            let rest = &script[at..];
            if let Some(length) = self.comment(rest) {
                at += length;
                in_word = false;
                continue;
            }
            if c == ';' && depth == 0 {
                found.extend(begin.take().map(|begin| statement(script, begin, at)));
                at += 1;
                continue;
            }
            if !c.is_whitespace() {
                begin.get_or_insert(at);
            }
            match c {
                '(' | '[' | '{' if self == Self::Surreal => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            // In PostgreSQL neither `e'` nor `$` opens a string in the middle of a word.
            let may_open = self == Self::Surreal || !in_word || c == '\'' || c == '"';
            let quoted = if may_open { self.quoted(rest) } else { None };
            at += quoted.unwrap_or(c.len_utf8());
            in_word = c.is_alphanumeric() || c == '_' || c == '$';
        }
        found.extend(begin.map(|begin| statement(script, begin, script.len())));
        found
    }

    /// Returns the length of the comment that begins here. In PostgreSQL comments in `/* */` are nested.
    pub(crate) fn comment(self, text: &str) -> Option<usize> {
        let to_line_end = || Some(text.find('\n').unwrap_or(text.len()));
        match self {
            _ if text.starts_with("--") => to_line_end(),
            Self::Surreal if text.starts_with("//") || text.starts_with('#') => to_line_end(),
            _ if !text.starts_with("/*") => None,
            Self::Surreal => Some(text[2..].find("*/").map_or(text.len(), |end| end + 4)),
            Self::Postgres => Some(nested_comment(text)),
        }
    }

    /// Returns the length of the string or quoted name that begins here.
    pub(crate) fn quoted(self, text: &str) -> Option<usize> {
        match self {
            Self::Surreal => surreal_quoted(text),
            Self::Postgres => postgres_quoted(text),
        }
    }
}

fn statement(script: &str, begin: usize, end: usize) -> Statement<'_> {
    Statement { begin, line: line_of(script, begin), text: script[begin..end].trim_end() }
}

/// Returns the line of a byte of the script, from 1.
pub(crate) fn line_of(script: &str, at: usize) -> usize {
    script.as_bytes()[..at.min(script.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn nested_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn surreal_quoted(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let close = match open {
        '\'' | '"' | '`' => open,
        '⟨' => '⟩',
        _ => return None,
    };
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == close => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    Some(text.len())
}

fn postgres_quoted(text: &str) -> Option<usize> {
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

/// Returns the `$$` or `$tag$` that begins here.
fn dollar_tag(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('$')?;
    let end = inside.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let is_tag = inside[end..].starts_with('$') && !inside.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dialect: Dialect, script: &str) -> Vec<(usize, String)> {
        dialect.statements(script).iter().map(|s| (s.line, s.summary())).collect()
    }

    #[test]
    fn statements_of_surrealql_are_found_with_their_lines() {
        let script = "-- a; comment\nDEFINE TABLE a;\n\n/* b;\n */ CREATE a SET x = 'it\\'s; \"', y = \"a;b\" ;\n\
                      FOR $x IN [1] {\n  CREATE a;\n  CREATE b;\n};\nUPDATE ⟨a;b⟩ -- end;\n";
        assert_eq!(
            found(Dialect::Surreal, script),
            [
                (2, "DEFINE TABLE a".to_owned()),
                (5, "CREATE a SET x = 'it\\'s; \"', y = \"a;b\"".to_owned()),
                (6, "FOR $x IN [1] { CREATE a; CREATE b; }".to_owned()),
                (10, "UPDATE ⟨a;b⟩ -- end;".to_owned()),
            ]
        );
    }

    #[test]
    fn statements_of_postgresql_are_found_with_their_lines() {
        let script = "-- a; comment\nCREATE TABLE a ();\n\n/* b; /* c; */\n */ INSERT INTO \"a;b\" VALUES ('it''s; ', E'\\';') ;\n\
                      DO $$ BEGIN; END $$;\nCREATE FUNCTION f() AS $body$ x; $$ ; $body$;\nSELECT $1;a$b$;\nSELECT 'ü' -- end;\n";
        assert_eq!(
            found(Dialect::Postgres, script),
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
        for script in ["CREATE 'x;", "CREATE { ;", "/* ", "`", "⟨;"] {
            assert!(found(Dialect::Surreal, script).len() <= 1, "{script}");
        }
        for script in ["SELECT 'x;", "SELECT $$ ;", "/* ", "\"", "$", "$a", "E'\\", "e"] {
            assert!(found(Dialect::Postgres, script).len() <= 1, "{script}");
        }
        for dialect in [Dialect::Surreal, Dialect::Postgres] {
            assert!(found(dialect, "\n -- nothing\n ;; \n").is_empty());
        }
    }
}
