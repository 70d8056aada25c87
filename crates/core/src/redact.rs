//! Texts without the secrets in them. The one place where it is decided what of a URL, or of a word of a command line, is
//! a secret: also of one that nothing can read.

use crate::nearest;

/// What stands in a secret's place.
pub const REDACTED: &str = "******";

/// A database's URL without its passwords. What has no scheme, or is none at all, is looked at in the same way.
#[must_use]
pub fn redacted_url(url: &str) -> String {
    if let Some(at) = url.find("://") {
        let (scheme, rest) = url.split_at(at + 3);
        // A path may have any character in it, and has no secret.
        return if scheme == "surrealkv://" { url.to_owned() } else { format!("{scheme}{}", without_secrets(rest)) };
    }
    if url.starts_with('/') {
        return url.to_owned();
    }
    without_secrets(url)
}

/// A word of a line that a person has typed, or a text from elsewhere, without the passwords of the URLs
/// in it and without the values that are given to names such as `password`.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut quote = None;
    while !rest.is_empty() {
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(rest.len());
        if let Some(end) = end_of_secret(rest, end, quote) {
            shown.push_str(&redacted_word(&rest[..end]));
            rest = &rest[end..];
            quote = None;
            continue;
        }
        let (word, more) = rest.split_at(end);
        shown.push_str(&redacted_word(word));
        quote = more.chars().next().filter(|c| is_quote(*c));
        let next = more.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&more[..next]);
        rest = &more[next..];
    }
    shown
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

/// Where a secret ends that has blanks or quotes in it: `NAME="a b"`, `'NAME=a b'`, `'ws://u:a b@h'`. `end` is where the word
/// ends that the text begins with, and `quote` is what stands before it. Nothing where it has no such secret.
fn end_of_secret(text: &str, end: usize, quote: Option<char>) -> Option<usize> {
    let names = |word: &str| word.split_once('=').is_some_and(|(name, _)| is_secret_name(name) && !is_a_place(name));
    let (word, more) = text.split_at(end);
    // The same quote again closes: `'NAME='` has no value.
    let opened = more.chars().next().filter(|c| is_quote(*c) && Some(*c) != quote);
    if let (true, Some(quote)) = (word.ends_with('=') && names(word), opened) {
        // Without a closing quote all that follows may be it.
        return Some(more[1..].find(quote).map_or(text.len(), |at| end + 1 + at + 1));
    }
    let close = quote.and_then(|quote| text.find(quote)).filter(|close| *close > end)?;
    let is_url = word.contains("://") && !word.contains('@') && text[end..close].contains('@');
    (is_url || names(word)).then_some(close)
}

/// Whether a name is that of a secret: of a variable, of a parameter, of a key.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["password", "passwd", "passphrase", "pwd", "token", "secret", "apikey", "credential", "privatekey"];
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // `pass` alone is also the beginning of `passthrough` and the end of `bypass`.
    let is_pass = name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part.eq_ignore_ascii_case("pass"));
    is_pass || WORDS.iter().any(|word| plain.contains(word))
}

fn redacted_word(word: &str) -> String {
    if let Some(at) = word.find("://") {
        let is_scheme = |c: &char| c.is_ascii_alphanumeric() || "+.-".contains(*c);
        let begin = at - word[..at].chars().rev().take_while(is_scheme).count();
        // `--db=URL`, `NAME=URL`, `[URL`: what stands before it is no part of it.
        let begin = word[begin..at].find(|c: char| c.is_ascii_alphabetic()).map_or(begin, |skip| begin + skip);
        // `at ws://h:8000, …`: what ends a part of a sentence is no part of it either.
        let end = word.trim_end_matches([':', ',', '.', ';', '!', ')', '}']).len().max(begin);
        return format!("{}{}{}", &word[..begin], redacted_url(&word[begin..end]), &word[end..]);
    }
    match word.split_once('=') {
        Some((name, value)) if !value.is_empty() && is_secret_name(name) && !is_a_place(name) => {
            format!("{name}={REDACTED}")
        }
        _ => word.to_owned(),
    }
}

/// Flags that name where a secret is, and have none themselves: `--password-env=NAME`.
fn is_a_place(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    ["-env", "-file", "-command", "passwordenv", "passwordfile", "passwordcommand"]
        .iter()
        .any(|end| name.ends_with(end))
        || ["--ready-token", "--start-token", "--stop-token", "--exit-token"].contains(&name.as_str())
}

/// What follows the scheme, `[USER[:PASSWORD]@]PLACE[?PARAMETERS]`, without passwords.
fn without_secrets(rest: &str) -> String {
    // A password may well hold an unescaped `/`, `?`, `#` or `@`.
    let login_end = match rest.find('?') {
        Some(question) => match rest[..question].rfind('@') {
            // Rather too little of a URL is shown than a piece of a password.
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
    let (login, place) = match login_end {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    };
    let shown_place = if login.is_none() { without_odd_port(place) } else { place.to_owned() };
    let place = shown_place.as_str();
    let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
    let login = login.map(|login| match login.split_once(':') {
        Some((user, _)) => format!("{user}:{REDACTED}@"),
        None => format!("{login}@"),
    });
    let query = query.map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if is_secret_parameter(&decoded(key)) => format!("{key}={REDACTED}"),
            Some(_) => pair.to_owned(),
            // No parameter: a piece of a password, as likely as not.
            None if pair.is_empty() => String::new(),
            None => REDACTED.to_owned(),
        });
        format!("?{}", pairs.collect::<Vec<_>>().join("&"))
    });
    format!("{}{place}{}", login.unwrap_or_default(), query.unwrap_or_default())
}

/// Whether a parameter of a URL is a secret, or would be without a slip of the finger: `pasword`.
fn is_secret_parameter(name: &str) -> bool {
    is_secret_name(name) || !nearest(name, ["password", "passwd", "passphrase", "sslpassword"]).is_empty()
}

/// A place without what stands where its port belongs and is none: the `@` behind a password may well be missing.
fn without_odd_port(place: &str) -> String {
    let end = place.find(['/', '?', '#']).unwrap_or(place.len());
    let (address, rest) = place.split_at(end);
    let host_end = if address.starts_with('[') { address.find(']').map_or(0, |at| at + 1) } else { 0 };
    match address[host_end..].find(':').map(|at| host_end + at) {
        Some(colon) if address[colon + 1..].parse::<u16>().is_err() && colon + 1 < address.len() => {
            // What follows may be the rest of it.
            let rest = if rest.starts_with('?') { rest } else { "" };
            format!("{}:{REDACTED}{rest}", &address[..colon])
        }
        _ => place.to_owned(),
    }
}

/// Whether what stands before a `?` is the beginning of a password that has the `?` in it, and not a host with its port and
/// path.
fn holds_login(rest: &str, question: usize) -> bool {
    let (before, after) = rest.split_at(question);
    let Some((_, follows)) = before.split_once(':') else { return false };
    let port = follows.split('/').next().unwrap_or_default();
    let is_port = port.parse::<u16>().is_ok() || port.is_empty() || before.starts_with('[');
    let has_parameters = after[1..].split(['&', '@']).next().is_some_and(|pair| pair.contains('='));
    after.contains('@') && !(is_port && has_parameters)
}

/// The name of a parameter without its percents: `pass%77ord` is one too.
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
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown() {
        for (url, shown) in [
            ("embedded", "embedded"),
            ("mem://", "mem://"),
            ("surrealkv:///var/lib/a@b:c", "surrealkv:///var/lib/a@b:c"),
            ("postgres://u:p@h/d", "postgres://u:******@h/d"),
            ("postgres://:p@h/d", "postgres://:******@h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p/w@x@h:5432/d?sslmode=require", "postgres://u:******@h:5432/d?sslmode=require"),
            ("postgres://u@h/d?password=p&x=1", "postgres://u@h/d?password=******&x=1"),
            ("postgres:///d?user=u&sslpassword=p", "postgres:///d?user=u&sslpassword=******"),
            ("postgres://h:5432/d?user=a@b", "postgres://h:5432/d?user=a@b"),
            ("ws://[::1]:8000/n/d?pass%77ord=p", "ws://[::1]:8000/n/d?pass%77ord=******"),
            ("postgres://u:p?w@h/d", "postgres://u:******@h/d"),
            ("postgres://u:1?2@h/d", "postgres://u:******@h/d"),
            ("postgres://u:p#w@h/d", "postgres://u:******@h/d"),
            ("postgres://u:p@h/d?secretly", "postgres://u:******@h/d?******"),
            (
                "postgres://h/d?pasword=p&Passwort=p&paswd=p",
                "postgres://h/d?pasword=******&Passwort=******&paswd=******",
            ),
            ("postgres://h/d?passfile=f&port=1&host=h", "postgres://h/d?passfile=f&port=1&host=h"),
            ("mysql://u:p@h", "mysql://u:******@h"),
            ("postgres://u:p", "postgres://u:******"),
            ("postgres://u:p/w", "postgres://u:******"),
            ("postgres://h:5432/d", "postgres://h:5432/d"),
            ("postgres://[::1]:5432/d", "postgres://[::1]:5432/d"),
            ("postgres://[::1]:p", "postgres://[::1]:******"),
            ("u:p@h/d", "u:******@h/d"),
            ("/a/path:with@signs", "/a/path:with@signs"),
        ] {
            assert_eq!(redacted_url(url), shown);
        }
    }

    /// Whatever a password is made of, and wherever it stands: no URL shows it.
    #[test]
    fn no_password_is_shown_whatever_it_is_made_of() {
        const PIECES: [&str; 12] = ["s3", "/", "?", "@", "#", ":", "%41", "&", "=", " ", "ü", "\\"];
        for first in PIECES {
            for second in PIECES {
                let password = format!("zq{first}{second}zq");
                for host in ["h", "h:5432", "[::1]:1", ""] {
                    for tail in ["", "/d", "/d?sslmode=require", "?x=1"] {
                        for scheme in ["postgres://", "ws://", "mysql://", ""] {
                            let url = format!("{scheme}user:{password}@{host}{tail}");
                            let shown = redacted_url(&url);
                            assert!(!shown.contains("zq"), "{url}: {shown}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn words_of_a_line_lose_their_secrets_and_nothing_else() {
        for (word, shown) in [
            ("--db=postgres://u:p@h/d", "--db=postgres://u:******@h/d"),
            ("see (ws://u:p@h) there", "see (ws://u:******@h) there"),
            ("see ws://h:8000: (http://h:80), ws://[::1]:1.", "see ws://h:8000: (http://h:80), ws://[::1]:1."),
            ("…ws://u:p@h… ü://x", "…ws://u:******@h… ü://x"),
            ("at ws://[::1]", "at ws://[::1]"),
            ("see ws://u:p@h:8000: no", "see ws://u:******@h:8000: no"),
            ("--env", "--env"),
            ("API_TOKEN=abc", "API_TOKEN=******"),
            ("host=h user=u password=p", "host=h user=u password=******"),
            ("--password-env=PW", "--password-env=PW"),
            ("--ready-token=READY", "--ready-token=READY"),
            ("--env API_TOKEN=\"a b\" x", "--env API_TOKEN=****** x"),
            ("--env 'API_TOKEN=a b' x", "--env 'API_TOKEN=******' x"),
            ("password='a \"b' user=u", "password=****** user=u"),
            ("password='a b", "password=******"),
            ("--db 'ws://u:a b@h' x", "--db 'ws://u:******@h' x"),
            ("`ws://h:8000 is away` at x@y", "`ws://h:8000 is away` at x@y"),
            ("--ready-token=\"a b\"", "--ready-token=\"a b\""),
            ("{\"a\":\"password=\",\"b\":1}", "{\"a\":\"password=\",\"b\":1}"),
            ("OMP_NUM_THREADS=2", "OMP_NUM_THREADS=2"),
            ("--passthrough=x", "--passthrough=x"),
            ("a:b@c", "a:b@c"),
            ("5.1,3.5", "5.1,3.5"),
        ] {
            assert_eq!(redacted(word), shown);
        }
    }
}
