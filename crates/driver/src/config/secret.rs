//! Values that must never be shown.

use std::fmt;

use mer_core::REDACTED;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// A text that even `Debug` redacts.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Returns the text itself, to be sent or compared.
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

/// Returns the passwords in a database's URL, each as it is written and percent-decoded.
pub(super) fn passwords(url: &str) -> Vec<Secret> {
    let Some((_, rest)) = url.split_once("://") else { return Vec::new() };
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let login = authority.rsplit_once('@').and_then(|(login, _)| login.split_once(':')).map(|(_, password)| password);
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameters = parameters.filter(|(name, _)| mer_core::is_secret_name(&decode(name))).map(|(_, value)| value);
    login
        .into_iter()
        .chain(parameters)
        .flat_map(|password| [password.to_owned().into(), decode(password).into()])
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
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
