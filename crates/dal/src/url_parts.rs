//! Common parts of the URLs of database servers.
#![cfg_attr(
    not(any(feature = "postgres", feature = "surreal-server")),
    expect(dead_code, reason = "no server, no URL")
)]

use std::borrow::Cow;

use crate::DalError;

/// Splits `HOST[:PORT]`, `[ADDRESS][:PORT]`, `:PORT` or nothing.
pub(crate) fn host_and_port(address: &str) -> Result<(Option<&str>, Option<u16>), String> {
    if address.contains(',') {
        return Err("only one host is allowed".to_owned());
    }
    let (host, rest) = match address.strip_prefix('[') {
        Some(inside) => inside.split_once(']').ok_or("its `[` is not closed")?,
        None => address.find(':').map_or((address, ""), |colon| address.split_at(colon)),
    };
    let port = match (rest, rest.strip_prefix(':')) {
        ("" | ":", _) => None,
        (_, Some(text)) => Some(port(text)?),
        // Not quoted in the message: it may be part of a password.
        (_, None) => return Err("the text after the host is not a port".to_owned()),
    };
    Ok((Some(host).filter(|host| !host.is_empty()), port))
}

/// Parses a port, which must not be 0.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| "the port is not a number from 1 to 65535".to_owned())
}

/// Returns the text, or `None` if it is empty.
pub(crate) fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Decodes the percent escapes in a part of a URL.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            bytes.push(value.ok_or("two hexadecimal digits must follow each `%` (a `%` itself is `%25`)")?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.contains('\0') { Err("it contains a zero byte".to_owned()) } else { Ok(text) }
}

/// Encodes a text as part of a URL.
pub(crate) fn encoded(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.bytes().all(plain) {
        return text.into();
    }
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect::<String>().into()
}

/// Returns the error for a URL that could not be parsed. Parameters are not quoted if they may be the end of a
/// password.
pub(crate) fn unreadable(scheme: &str, rest: &str, why: String) -> DalError {
    let reason = match rest.split_once('?') {
        Some((_, query)) if query.contains('@') => {
            "it cannot be read; in a user or password `?`, `/`, `@` and `%` are written as `%3F`, `%2F`, `%40` and `%25`"
                .to_owned()
        }
        _ => why,
    };
    DalError::Url { url: mer_core::redacted_url(&format!("{scheme}://{rest}")), reason }
}
