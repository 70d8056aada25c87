//! A script's statements and where they begin, so that an error can name them. The database itself gets the whole text.

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Line of its first word, from 1.
    pub(super) line: usize,
    /// Its text, without the semicolon.
    pub(super) text: &'a str,
}

/// As much of a statement as a message shows.
const SUMMARY_CHARS: usize = 80;

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

/// Splits a script at the semicolons that are outside of strings, comments and brackets.
pub(super) fn statements(script: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(c) = script[at..].chars().next() {
        let rest = &script[at..];
        if let Some(length) = comment(rest) {
            at += length;
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
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += quoted(rest).unwrap_or(c.len_utf8());
    }
    found.extend(begin.map(|begin| statement(script, begin, script.len())));
    found
}

fn statement(script: &str, begin: usize, end: usize) -> Statement<'_> {
    let line = script[..begin].matches('\n').count() + 1;
    Statement { line, text: script[begin..end].trim_end() }
}

/// The length of a comment that begins here.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("--") || text.starts_with("//") || text.starts_with('#') {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let inside = text.strip_prefix("/*")?;
    Some(inside.find("*/").map_or(text.len(), |end| end + 4))
}

/// The length of a string or quoted name that begins here.
fn quoted(text: &str) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_with_their_lines() {
        let script = "-- a; comment\nDEFINE TABLE a;\n\n/* b;\n */ CREATE a SET x = 'it\\'s; \"', y = \"a;b\" ;\n\
                      FOR $x IN [1] {\n  CREATE a;\n  CREATE b;\n};\nUPDATE ⟨a;b⟩ -- end;\n";
        let found: Vec<_> = statements(script).iter().map(|s| (s.line, s.summary())).collect();
        assert_eq!(
            found,
            [
                (2, "DEFINE TABLE a".to_owned()),
                (5, "CREATE a SET x = 'it\\'s; \"', y = \"a;b\"".to_owned()),
                (6, "FOR $x IN [1] { CREATE a; CREATE b; }".to_owned()),
                (10, "UPDATE ⟨a;b⟩ -- end;".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_not_closed_ends_with_the_script() {
        for script in ["CREATE 'x;", "CREATE { ;", "/* ", "`", "⟨;"] {
            assert!(statements(script).len() <= 1, "{script}");
        }
        assert!(statements("\n -- nothing\n ;; \n").is_empty());
    }
}
