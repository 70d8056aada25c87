//! One line of the SSH configuration.

/// A line that sets something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// In lower case.
    pub(super) keyword: String,
    pub(super) args: Vec<String>,
    /// The rest of the line as it is, quotes and `#` included, for commands.
    pub(super) rest: String,
}

/// Splits a line into its keyword and its arguments. `None` for comments and empty lines.
pub(super) fn parse_line(line: &str) -> Option<Line> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    Some(Line { keyword: keyword.to_ascii_lowercase(), args: arguments(rest), rest: rest.to_owned() })
}

fn arguments(rest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = rest.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return found,
            Some(_) => {}
        }
        let (mut word, mut quote) = (String::new(), None);
        while let Some(c) = chars.next() {
            match c {
                '"' | '\'' if quote.is_none() => quote = Some(c),
                _ if quote == Some(c) => quote = None,
                '\\' if matches!(chars.peek(), Some('"' | '\'' | '\\')) => word.extend(chars.next()),
                '\\' if quote.is_none() && chars.peek() == Some(&' ') => word.extend(chars.next()),
                _ if quote.is_none() && c.is_whitespace() => break,
                _ => word.push(c),
            }
        }
        found.push(word);
    }
}
