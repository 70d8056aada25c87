//! Parses `.env` files, as docker compose reads them: `NAME=value`, `export NAME='value'`, comments. Nothing is expanded,
//! nothing is executed, and nothing is added to the environment.
//!
//! Such a file often belongs to another program with a richer syntax: a line that sets no variable of MER's is ignored, whatever
//! it is. A line that names a variable of MER's and cannot be parsed is an error.

/// One assignment. The value may be a path and need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Line number, from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: Vec<u8>,
}

/// A line that names a variable of MER's and cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidLine {
    /// Line number, from 1.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) reason: &'static str,
}

/// Parses a `.env` file. `is_ours` says for which variables a line that cannot be parsed is an error.
pub(super) fn parse(bytes: &[u8], is_ours: impl Fn(&str) -> bool) -> Result<Vec<Assignment>, InvalidLine> {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut found = Vec::new();
    let mut line = 1;
    while !rest.is_empty() {
        let line_end = end_of_line(rest);
        let taken = match entry(&rest[..line_end], rest) {
            Entry::Set { name, value, taken } => {
                found.push(Assignment { line, name, value });
                taken
            }
            Entry::Nothing => line_end,
            Entry::Invalid { name, reason } if is_ours(&name) => return Err(InvalidLine { line, name, reason }),
            Entry::Invalid { .. } => line_end,
        };
        line += rest[..taken].iter().filter(|byte| **byte == b'\n').count();
        rest = &rest[taken..];
    }
    Ok(found)
}

/// An entry that begins in a line.
enum Entry {
    /// An assignment of `taken` bytes, which may be several lines.
    Set { name: String, value: Vec<u8>, taken: usize },
    /// Nothing: a blank line, a comment, or a name alone.
    Nothing,
    /// A name that is not set.
    Invalid { name: String, reason: &'static str },
}

/// Parses the first line of `text`, which is `line`, and those that its quotes span.
fn entry(line: &[u8], text: &[u8]) -> Entry {
    let mut at = blanks(line);
    if let Some(after) = line[at..].strip_prefix(b"export").filter(|after| blanks(after) > 0) {
        at = line.len() - after.len() + blanks(after);
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let name_end = at + line[at..].iter().take_while(|byte| is_name(byte)).count();
    let name = String::from_utf8_lossy(&line[at..name_end]).into_owned();
    at = name_end + blanks(&line[name_end..]);
    if line.get(at) != Some(&b'=') {
        return match line[at..].trim_ascii() {
            // `export NAME` exports a variable that is set elsewhere.
            b"" => Entry::Nothing,
            _ => Entry::Invalid { name, reason: "there is no `=` after the name" },
        };
    }
    at += 1;
    at += blanks(&line[at..]);
    let quote = match line.get(at) {
        Some(quote @ (b'\'' | b'"')) => *quote,
        _ => return Entry::Set { name, value: bare(&line[at..]), taken: line.len() },
    };
    let Some((value, closed)) = quoted(&text[at + 1..], quote) else {
        return Entry::Invalid { name, reason: "a quote is not closed" };
    };
    let after = at + 1 + closed;
    let tail = &text[after..after + end_of_line(&text[after..])];
    match tail.trim_ascii() {
        [] | [b'#', ..] => Entry::Set { name, value, taken: after + tail.len() },
        _ => Entry::Invalid { name, reason: "something follows the closing quote" },
    }
}

/// Returns the length of the first line in bytes, including its newline.
fn end_of_line(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1)
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Parses a value without quotes. It ends at a comment, a `#` after a blank.
fn bare(text: &[u8]) -> Vec<u8> {
    let is_comment = |at: &usize| text[*at] == b'#' && (*at == 0 || matches!(text[*at - 1], b' ' | b'\t'));
    let end = (0..text.len()).find(is_comment).unwrap_or(text.len());
    text[..end].trim_ascii().to_vec()
}

/// Parses a value up to its closing quote; returns it with the number of bytes read. Within `"` a backslash escapes; within `'`
/// it is an ordinary character.
fn quoted(text: &[u8], quote: u8) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match *byte {
            byte if byte == quote => return Some((value, at + 1)),
            b'\\' if quote == b'"' => match bytes.next()?.1 {
                b'n' => value.push(b'\n'),
                b'r' => value.push(b'\r'),
                b't' => value.push(b'\t'),
                byte @ (b'"' | b'\\' | b'$' | b'`') => value.push(*byte),
                byte => value.extend([b'\\', *byte]),
            },
            byte => value.push(byte),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<Vec<Assignment>, InvalidLine> {
        parse(text, |name| name.starts_with("MER_"))
    }

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let found = parsed(text.as_bytes()).expect(text);
        found.into_iter().map(|a| (a.line, a.name, String::from_utf8(a.value).expect("text"))).collect()
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

    /// Lines of other programs: none of them is an error, and the lines behind them are read.
    #[test]
    fn a_line_that_sets_nothing_of_ours_is_passed_over() {
        const OTHERS: [&[u8]; 22] = [
            b"export FOO",
            b"FOO",
            b"A: b",
            b"A: 'b",
            b"A='x' y",
            b"A='open",
            b"A=\"open \\",
            b"a b=c",
            b"=x",
            b"=",
            b"[section]",
            b"source other.sh",
            b"set -a; . ./x",
            b"\xff\xfe\x80=\x81",
            b"A=\xff",
            b"A-B=c",
            b"if [ -n \"$X\" ]; then",
            b"; comment",
            b"// comment",
            b"<<<<<<< HEAD",
            b"\0\0",
            b"export MER_DB_WAIT",
        ];
        for other in OTHERS {
            for end in [b"\n".as_slice(), b"\r\n", b"\n\n"] {
                let text = [other, end, b"MER_DB_WAIT=5s\n"].concat();
                let found = parsed(&text).unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}"));
                let ours: Vec<&Assignment> = found.iter().filter(|a| a.name == "MER_DB_WAIT").collect();
                assert_eq!(ours.len(), 1, "{:?}", String::from_utf8_lossy(&text));
                assert_eq!(ours[0].value, b"5s");
            }
        }
    }

    #[test]
    fn a_line_that_names_something_of_ours_must_be_right() {
        for (text, line) in
            [("A=1\nMER_X: y\n", 2), ("MER_X='x\n\n", 1), ("MER_X='x' y", 1), ("\n export MER_X y", 2), ("MER_X+=y", 1)]
        {
            let wrong = parsed(text.as_bytes()).expect_err(text);
            assert_eq!((wrong.line, wrong.name.as_str()), (line, "MER_X"), "{text:?}");
        }
    }
}
