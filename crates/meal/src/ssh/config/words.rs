//! The words of a line.

/// Splits a line into its keyword, in lower case, and its arguments. Comments and empty lines are nothing.
pub(super) fn words(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Some((keyword.to_ascii_lowercase(), arguments(rest)))
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
                _ if quote.is_none() && c.is_whitespace() => break,
                _ => word.push(c),
            }
        }
        found.push(word);
    }
}
