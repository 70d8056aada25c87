//! `.env` files, as docker compose and people write them: `NAME=value`, `export NAME='value'`, comments. Nothing is
//! expanded, nothing is executed, and nothing of it gets into the environment.

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// From 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// A line that is no assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// From 1.
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// Reads a `.env` file.
pub(super) fn parse(text: &str) -> Result<Vec<Assignment>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, consumed) = entry(rest).map_err(|what| Wrong { line, what })?;
        if let Some((name, value)) = entry {
            found.push(Assignment { line, name, value });
        }
        line += rest[..consumed].matches('\n').count();
        rest = &rest[consumed..];
    }
    Ok(found)
}

type Entry = Option<(String, String)>;

/// Reads one line, or several where a quote spans them; returns how many bytes it took.
fn entry(text: &str) -> Result<(Entry, usize), &'static str> {
    let line_end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text[..line_end].trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((None, line_end));
    }
    let Some(equals) = text[..line_end].find('=') else { return Err("there is no `=` in it") };
    let name = text[..equals].trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')) {
        return Err("what stands before the `=` is no variable's name");
    }
    let after = &text[equals + 1..];
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    let value_at = equals + 1 + blanks;
    let (value, taken) = match text[value_at..].chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (value, taken) = quoted(&text[value_at + 1..], quote)?;
            (value, value_at + 1 + taken)
        }
        _ => return Ok((Some((name.to_owned(), bare(&text[value_at.min(line_end)..line_end]))), line_end)),
    };
    let tail_end = text[taken..].find('\n').map_or(text.len(), |at| taken + at + 1);
    let tail = text[taken..tail_end].trim();
    if !(tail.is_empty() || tail.starts_with('#')) {
        return Err("something follows the closing quote");
    }
    Ok((Some((name.to_owned(), value)), tail_end))
}

/// A value without quotes ends where a comment begins: at a `#` after a blank.
fn bare(text: &str) -> String {
    let end = text
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || text[..*at].ends_with([' ', '\t'])))
        .map_or(text.len(), |(at, _)| at);
    text[..end].trim().to_owned()
}

/// A value up to its closing quote. Within `"` a backslash escapes, within `'` it is a backslash.
fn quoted(text: &str, quote: char) -> Result<(String, usize), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((value, at + 1)),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\' | '$' | '`'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        parse(text).expect(text).into_iter().map(|a| (a.line, a.name, a.value)).collect()
    }

    fn one(text: &str) -> String {
        let found = pairs(text);
        assert_eq!(found.len(), 1, "{text:?}");
        found[0].2.clone()
    }

    #[test]
    fn what_people_write_into_such_files() {
        assert_eq!(one("A=b"), "b");
        assert_eq!(one("  export A = b c  # why\r\n"), "b c");
        assert_eq!(one("A=postgres://u:p#w@h/d"), "postgres://u:p#w@h/d");
        assert_eq!(one("A="), "");
        assert_eq!(one("A=\n"), "");
        assert_eq!(one("A= # nothing"), "");
        assert_eq!(one("A='a # \\n \"b'"), "a # \\n \"b");
        assert_eq!(one(r#"A="a\n\"b\" \$x \d" # c"#), "a\n\"b\" $x \\d");
        assert_eq!(one("A=$HOME/x"), "$HOME/x");
        assert_eq!(one("\u{feff}A=b=c"), "b=c");
    }

    #[test]
    fn lines_are_counted_through_comments_and_long_quotes() {
        let text = "# first\n\nA='x\ny'\nB=2\n";
        assert_eq!(pairs(text), [(3, "A".to_owned(), "x\ny".to_owned()), (5, "B".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn what_is_no_assignment_is_told_with_its_line() {
        for (text, line) in [("A=1\nnonsense\n", 2), ("A='x\n\n", 1), ("A='x' y", 1), ("a b=c", 1), ("=x", 1)] {
            assert_eq!(parse(text).expect_err(text).line, line, "{text:?}");
        }
    }
}
