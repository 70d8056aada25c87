//! Removes secrets from texts. Only this file decides which part of a URL or a command line is a secret; it also handles texts
//! that are not valid URLs.

use crate::nearest;

/// Replacement for a secret.
pub const REDACTED: &str = "******";

/// Returns the URL of a database without its passwords. A text without a scheme is treated in the same way.
#[must_use]
pub fn redacted_url(url: &str) -> String {
    if let Some(at) = url.find("://") {
        let (scheme, rest) = url.split_at(at + 3);
        // A path may contain any character, but no secret.
        return if scheme == "surrealkv://" { url.to_owned() } else { format!("{scheme}{}", without_secrets(rest)) };
    }
    if url.starts_with('/') {
        return url.to_owned();
    }
    without_secrets(url)
}

/// Returns a text without the passwords of the URLs in it, and without the values of names such as `password`.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    let mut quote = None;
    while !rest.is_empty() {
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(rest.len());
        if let Some(end) = end_of_secret(rest, end, quote) {
            safe.push_str(&redacted_word(&rest[..end]));
            rest = &rest[end..];
            quote = None;
            continue;
        }
        let (word, more) = rest.split_at(end);
        safe.push_str(&redacted_word(word));
        quote = more.chars().next().filter(|c| is_quote(*c));
        let next = more.chars().next().map_or(0, char::len_utf8);
        safe.push_str(&more[..next]);
        rest = &more[next..];
    }
    safe
}

/// Returns the words of a command line without secrets: each word is [`redacted`], and the value of `--db` is redacted as a URL.
#[must_use]
pub fn redacted_command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut safe: Vec<String> = Vec::new();
    for word in words {
        let word = match word.strip_prefix("--db=") {
            Some(url) => format!("--db={}", redacted_url(url)),
            None if safe.last().is_some_and(|flag| flag == "--db") => redacted_url(word),
            // A password may be in any word: in a URL, or as `NAME=VALUE` after `--env`.
            None => redacted(word),
        };
        safe.push(word);
    }
    safe
}

/// Whether a command line may hold a secret: [`redacted`] would change it, or it has a flag such as `--password-…`.
#[must_use]
pub fn may_hold_secret(line: &str) -> bool {
    let words = || line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '/'));
    let has_flag =
        words().any(|word| word.starts_with("--password") || word.starts_with("--db=") && word.contains(':'));
    // A URL may be quoted, or have blanks in its password, so everything from its scheme on is checked too.
    let has_url = line.find("://").is_some_and(|at| redacted_url(&line[at..]) != line[at..]);
    has_flag || has_url || redacted(line) != line
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

/// Returns the end of a secret with blanks or quotes in it, if the text begins with one: `NAME="a b"`, `'NAME=a b'`,
/// `'ws://u:a b@h'`. `end` is the end of the first word of the text, and `quote` is the quote before it.
fn end_of_secret(text: &str, end: usize, quote: Option<char>) -> Option<usize> {
    let names =
        |word: &str| word.split_once('=').is_some_and(|(name, _)| is_secret_name(name) && !names_no_secret(name));
    let (word, more) = text.split_at(end);
    // The same quote again closes: `'NAME='` has no value.
    let opened = more.chars().next().filter(|c| is_quote(*c) && Some(*c) != quote);
    if let (true, Some(quote)) = (word.ends_with('=') && names(word), opened) {
        // Without a closing quote, the rest of the text may be the secret.
        return Some(more[1..].find(quote).map_or(text.len(), |at| end + 1 + at + 1));
    }
    let close = quote.and_then(|quote| text.find(quote)).filter(|close| *close > end)?;
    let is_url = word.contains("://") && !word.contains('@') && text[end..close].contains('@');
    (is_url || names(word)).then_some(close)
}

/// Whether a variable, a parameter or a key of this name holds a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["password", "passwd", "passphrase", "pwd", "token", "secret", "apikey", "credential", "privatekey"];
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // Only as a separate word: `passthrough` and `bypass` are no secrets.
    let is_pass = name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part.eq_ignore_ascii_case("pass"));
    is_pass || WORDS.iter().any(|word| plain.contains(word))
}

fn redacted_word(word: &str) -> String {
    if let Some(at) = word.find("://") {
        let is_scheme = |c: &char| c.is_ascii_alphanumeric() || "+.-".contains(*c);
        let begin = at - word[..at].chars().rev().take_while(is_scheme).count();
        // The URL may follow other text: `--db=URL`, `NAME=URL`, `[URL`.
        let begin = word[begin..at].find(|c: char| c.is_ascii_alphabetic()).map_or(begin, |skip| begin + skip);
        // Punctuation may follow the URL in a sentence: `at ws://h:8000, …`.
        let end = word.trim_end_matches([':', ',', '.', ';', '!', ')', '}']).len().max(begin);
        return format!("{}{}{}", &word[..begin], redacted_url(&word[begin..end]), &word[end..]);
    }
    match word.split_once('=') {
        Some((name, value)) if !value.is_empty() && is_secret_name(name) && !names_no_secret(name) => {
            format!("{name}={REDACTED}")
        }
        _ => word.to_owned(),
    }
}

/// Whether a name says where a secret is, such as `--password-env`, or is a token that is no secret.
fn names_no_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    ["-env", "-file", "-command", "passwordenv", "passwordfile", "passwordcommand"]
        .iter()
        .any(|end| name.ends_with(end))
        || ["--ready-token", "--start-token", "--stop-token", "--exit-token"].contains(&name.as_str())
}

/// Returns the part after the scheme, `[USER[:PASSWORD]@]HOST[?PARAMETERS]`, without passwords.
fn without_secrets(rest: &str) -> String {
    // A password may contain an unescaped `/`, `?`, `#` or `@`.
    let login_end = match rest.find('?') {
        Some(question) => match rest[..question].rfind('@') {
            // If in doubt, too much of the URL is removed rather than too little.
            Some(at) => {
                if rest[..at].contains(':') {
                    rest.rfind('@')
                } else {
                    Some(at)
                }
            }
            None if holds_login(rest, question) => rest.rfind('@'),
            None => None,
        },
        None => rest.rfind('@'),
    };
    let (login, host) = match login_end {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    let host = if login.is_none() { without_odd_port(host) } else { host.to_owned() };
    let (host, query) = host.split_once('?').map_or((host.as_str(), None), |(host, query)| (host, Some(query)));
    let login = login.map(|login| match login.split_once(':') {
        Some((user, _)) => format!("{user}:{REDACTED}@"),
        None => format!("{login}@"),
    });
    let query = query.map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if is_secret_parameter(&decoded(key)) => format!("{key}={REDACTED}"),
            Some(_) => pair.to_owned(),
            // Not a parameter, so it may be a part of a password.
            None if pair.is_empty() => String::new(),
            None => REDACTED.to_owned(),
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    format!("{}{host}{}", login.unwrap_or_default(), query.unwrap_or_default())
}

/// Whether a parameter of a URL holds a secret, also if its name is misspelt: `pasword`.
fn is_secret_parameter(name: &str) -> bool {
    is_secret_name(name) || !nearest(name, ["password", "passwd", "passphrase", "sslpassword"]).is_empty()
}

/// Returns a host without a text in the position of its port that is no port: the `@` after a password may be missing.
fn without_odd_port(host: &str) -> String {
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    let (address, rest) = host.split_at(end);
    let host_end = if address.starts_with('[') { address.find(']').map_or(0, |at| at + 1) } else { 0 };
    match address[host_end..].find(':').map(|at| host_end + at) {
        Some(colon) if address[colon + 1..].parse::<u16>().is_err() && colon + 1 < address.len() => {
            // The text that follows may belong to the password.
            let rest = if rest.starts_with('?') { rest } else { "" };
            format!("{}:{REDACTED}{rest}", &address[..colon])
        }
        _ => host.to_owned(),
    }
}

/// Whether the text before a `?` is a login whose password contains the `?`, and not a host with its port and path.
fn holds_login(rest: &str, question: usize) -> bool {
    let (before, after) = rest.split_at(question);
    let Some((_, follows)) = before.split_once(':') else { return false };
    let port = follows.split('/').next().unwrap_or_default();
    let is_port = port.parse::<u16>().is_ok() || port.is_empty() || before.starts_with('[');
    let has_parameters = after[1..].split(['&', '@']).next().is_some_and(|pair| pair.contains('='));
    after.contains('@') && !(is_port && has_parameters)
}

/// Percent-decodes the name of a parameter, such as `pass%77ord`.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, more @ ..] = rest {
        let byte = match more {
            [high, low, ..] if *first == b'%' => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                digit(*high).zip(digit(*low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            }
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
