//! What must never be shown.

use std::fmt;

use mer_core::REDACTED;
use serde::Deserialize;

/// A text that is not shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself, to be sent or looked for.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The passwords in a database's URL: as they stand there, and without percents.
pub(super) fn passwords(url: &str) -> Vec<Secret> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let login = place.rsplit_once('@').and_then(|(login, _)| login.split_once(':')).map(|(_, password)| password);
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameters = parameters.filter(|(name, _)| mer_core::is_secret_name(&decoded(name))).map(|(_, value)| value);
    login
        .into_iter()
        .chain(parameters)
        .flat_map(|password| [password.to_owned().into(), decoded(password).into()])
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "******");
    }

    #[test]
    fn the_passwords_of_a_url_are_found() {
        let passwords = |url| passwords(url).iter().map(|found| found.reveal().to_owned()).collect::<Vec<_>>();
        assert_eq!(passwords("postgres://u:p%40@h/d?sslpassword=x%25&a=b"), ["p%40", "p@", "x%25", "x%"]);
        assert_eq!(passwords("postgres://h/d?pass%77ord=p"), ["p", "p"]);
        assert_eq!(passwords("postgres://u@h/d"), [""; 0]);
        assert_eq!(passwords("embedded"), [""; 0]);
    }
}
