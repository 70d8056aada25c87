//! A script's statements and where they begin, so that an error can name them. The server itself gets the whole text.

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

/// The statement by which a script would begin or end its transaction.
pub(super) fn own_transaction<'a, 'b>(statements: &'a [Statement<'b>]) -> Option<&'a Statement<'b>> {
    let mut in_body = false;
    statements.iter().find(|statement| {
        let words = words(statement.text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // The body of a function of SQL's own kind has semicolons, and an END of its own.
        if in_body {
            in_body = words != ["END"];
            return false;
        }
        in_body = words.windows(2).any(|pair| pair == ["BEGIN", "ATOMIC"]);
        match words[..] {
            ["BEGIN" | "COMMIT" | "END" | "ABORT", ..] | ["START" | "PREPARE", "TRANSACTION", ..] => true,
            ["ROLLBACK", ref rest @ ..] => !rest.contains(&"TO"),
            _ => false,
        }
    })
}

/// The statement by which a script would read rows from the client that sends it, or write them there: with a dump they follow in
/// its text, and only `psql` knows what to do with them.
pub(super) fn copy_through_client<'a, 'b>(statements: &'a [Statement<'b>]) -> Option<&'a Statement<'b>> {
    statements.iter().find(|statement| {
        let words = words(statement.text);
        words.first().is_some_and(|word| word == "COPY")
            && words.windows(2).any(|pair| pair == ["FROM", "STDIN"] || pair == ["TO", "STDOUT"])
    })
}

/// The words of a statement in capitals, without comments, strings and signs.
fn words(statement: &str) -> Vec<String> {
    let (mut words, mut word, mut at) = (Vec::new(), String::new(), 0);
    while let Some(c) = statement[at..].chars().next() {
        let rest = &statement[at..];
        if c.is_alphanumeric() || c == '_' || (c == '$' && !word.is_empty()) {
            word.push(c.to_ascii_uppercase());
            at += c.len_utf8();
            continue;
        }
        words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        at += comment(rest).or_else(|| quoted(rest)).unwrap_or(c.len_utf8());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// The name in `CREATE INDEX CONCURRENTLY IF NOT EXISTS name`, as it is written.
pub(super) fn concurrent_index(statement: &str) -> Option<&str> {
    let mut rest = statement;
    for (word, is_needed) in [
        ("CREATE", true),
        ("UNIQUE", false),
        ("INDEX", true),
        ("CONCURRENTLY", true),
        ("IF", true),
        ("NOT", true),
        ("EXISTS", true),
    ] {
        let (first, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match first.eq_ignore_ascii_case(word) {
            true => rest = after.trim_start(),
            false if is_needed => return None,
            false => {}
        }
    }
    let mut end = 0;
    // Quotes inside are doubled.
    while rest[end..].starts_with('"') {
        end += quoted(&rest[end..])?;
    }
    let end = if end > 0 { end } else { rest.find(char::is_whitespace)? };
    Some(&rest[..end])
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
    fn what_would_begin_or_end_the_transaction_is_found() {
        let found = |script: &str| {
            let statements = statements(script);
            own_transaction(&statements).map(|statement| statement.line)
        };
        for script in [
            "commit",
            "BEGIN WORK;",
            "End ;",
            "ROLLBACK AND CHAIN;",
            "abort",
            "START TRANSACTION READ ONLY",
            "COMMIT/* now */;",
            "COMMIT--now\n;",
            "start/**/transaction;",
            "prepare transaction'a'",
        ] {
            assert_eq!(found(&format!("SELECT 1;\n-- then\n{script}")), Some(3), "{script}");
        }
        for script in [
            "DO $$ BEGIN COMMIT; END $$;",
            "SAVEPOINT a; ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a; RELEASE a;",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql\nBEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND;\nSELECT 3;",
            "PREPARE a AS SELECT 1; SELECT 'x; COMMIT;'; INSERT INTO a (\"end\") VALUES (1);",
        ] {
            assert_eq!(found(script), None, "{script}");
        }
        assert_eq!(found("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;\nEND;\nEND;"), Some(3));
    }

    #[test]
    fn rows_that_would_pass_through_the_client_are_found() {
        let found = |script| copy_through_client(&statements(script)).map(|statement| statement.line);
        assert_eq!(found("SELECT 1;\nCOPY public.a (b, c) FROM stdin;\n1\t2\n\\.\n"), Some(2));
        assert_eq!(found("copy (SELECT 1) to/* */stdout WITH CSV"), Some(1));
        assert_eq!(found("COPY a FROM '/stdin'; COMMENT ON TABLE a IS 'COPY a FROM STDIN'; SELECT 1 FROM stdin"), None);
    }

    #[test]
    fn an_index_that_is_made_concurrently_is_found() {
        let name = |statement| concurrent_index(statement);
        assert_eq!(name("CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c)"), Some("a"));
        assert_eq!(
            name("create  unique\nindex concurrently if not exists \"a b\"\"c\" ON b (c)"),
            Some("\"a b\"\"c\"")
        );
        assert_eq!(name("CREATE INDEX IF NOT EXISTS a ON b (c)"), None);
        assert_eq!(name("CREATE INDEX CONCURRENTLY ON b (c)"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn what_is_not_closed_ends_with_the_script() {
        for script in ["SELECT 'x;", "SELECT $$ ;", "/* ", "\"", "$", "$a", "E'\\", "e"] {
            assert!(statements(script).len() <= 1, "{script}");
        }
        assert!(statements("\n -- nothing\n ;; \n").is_empty());
    }
}
