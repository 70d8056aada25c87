//! What must never be shown.

use std::fmt;

use serde::Deserialize;

/// A text that is not shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

/// What stands in a secret's place.
pub(super) const REDACTED: &str = "******";

impl Secret {
    /// The text, for whoever must send it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// A URL without its password, whether that stands before the host or in a parameter.
pub(crate) fn redacted_url(url: &str) -> String {
    let Some(scheme_end) = url.find("://").map(|at| at + 3) else { return url.to_owned() };
    let (scheme, rest) = url.split_at(scheme_end);
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    // A password may well hold an unescaped `/` or `@`: the last `@` before the query ends it.
    let rest = match rest.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{REDACTED}@{host}"),
            None => format!("{login}@{host}"),
        },
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((key, _)) if is_secret_parameter(key) => format!("{key}={REDACTED}"),
                _ => pair.to_owned(),
            })
            .collect();
        format!("?{}", pairs.join("&"))
    });
    format!("{scheme}{rest}{}", query.unwrap_or_default())
}

fn is_secret_parameter(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "pass", "token", "secret"].iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown() {
        for (url, shown) in [
            ("embedded", "embedded"),
            ("mem://", "mem://"),
            ("surrealkv:///var/lib/a@b", "surrealkv:///var/lib/a@b"),
            ("postgres://u:p@h/d", "postgres://u:******@h/d"),
            ("postgres://u:p/w@x@h:5432/d?sslmode=require", "postgres://u:******@h:5432/d?sslmode=require"),
            ("postgres://u@h/d?password=p&x=1", "postgres://u@h/d?password=******&x=1"),
            ("postgres:///d?user=u&sslpassword=p", "postgres:///d?user=u&sslpassword=******"),
        ] {
            assert_eq!(redacted_url(url), shown);
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "******");
    }
}
