//! Parses `postgres://` URLs, without the driver.

use std::fmt;

use crate::{
    DalError, Secret,
    url_parts::{decoded, encoded, host_and_port, port, some, unreadable},
};

/// Every parameter of a URL except those in [`IGNORED`].
const KNOWN: [&str; 15] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "passfile",
    "application_name",
    "connect_timeout",
    "options",
    "statementCache",
];

/// Parameters of other clients that make no difference here.
const IGNORED: [&str; 8] = [
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
];

/// URL of a PostgreSQL database: `postgres://[USER[:PASSWORD]@][HOST][:PORT][/DATABASE][?PARAMETER=VALUE&…]`.
///
/// [`crate::ServerSettings`] complete it. Its text never contains the password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<String>,
    pub(super) parameters: Vec<(&'static str, String)>,
}

impl PostgresUrl {
    /// Parses a URL without its `postgres://` or `postgresql://`.
    pub(crate) fn parse(rest: &str) -> Result<Self, DalError> {
        Self::read(rest).map_err(|why| unreadable("postgres", rest, why))
    }

    fn read(rest: &str) -> Result<Self, String> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(Secret::from(decoded(password)?))),
            None => (login, None),
        };
        let (host, port) = host_and_port(address)?;
        let mut url = Self {
            host: host.map(decoded).transpose()?,
            port,
            user: some(decoded(user)?),
            password,
            database: some(decoded(path)?),
            parameters: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| "a parameter has no `=`".to_owned())?;
            url.parameter(&decoded(name)?, decoded(value)?)?;
        }
        Ok(url)
    }

    fn parameter(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "host" | "hostaddr" => self.host = some(value),
            "port" => self.port = some(value).map(|value| port(&value)).transpose()?,
            "user" => self.user = some(value),
            "password" => self.password = Some(value.into()),
            "dbname" => self.database = some(value),
            "channel_binding" if value != "require" => {}
            "channel_binding" => return Err("`channel_binding=require` is not supported".to_owned()),
            "target_session_attrs" if value == "any" || value == "read-write" => {}
            _ if IGNORED.contains(&name) => {}
            _ => match KNOWN.iter().find(|known| **known == name) {
                Some(known) => self.parameters.push((known, value)),
                None => {
                    let nearest = mer_core::nearest(name, KNOWN);
                    let hint = nearest.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    return Err(format!("it has no parameter `{name}`{hint}"));
                }
            },
        }
        if self.host.as_ref().is_some_and(|host| host.contains(',')) {
            return Err("only one host is allowed".to_owned());
        }
        Ok(())
    }

    /// Returns the last value of a parameter that has no field of its own.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encoded(user))?;
        }
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]")?,
            Some(host) => f.write_str(&encoded(host))?,
            None => {}
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(database) = &self.database {
            write!(f, "/{}", encoded(database))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_in_all_its_parts() {
        let url = PostgresUrl::parse("m%40r:p%3Aw%2F@db.example.org:6432/a%20b?sslmode=require&statementCache=off");
        let url = url.unwrap();
        assert_eq!(url.user.as_deref(), Some("m@r"));
        assert_eq!(url.password.as_ref().map(Secret::reveal), Some("p:w/"));
        assert_eq!((url.host.as_deref(), url.port), (Some("db.example.org"), Some(6432)));
        assert_eq!(url.database.as_deref(), Some("a b"));
        assert_eq!(
            (url.get("sslmode"), url.get("statementCache"), url.get("sslkey")),
            (Some("require"), Some("off"), None)
        );
        assert_eq!(url.to_string(), "postgres://m%40r@db.example.org:6432/a%20b");
        assert!(!format!("{url:?}").contains("p:w"));
    }

    #[test]
    fn hosts_may_be_addresses_and_folders() {
        let host = |text: &str| PostgresUrl::parse(text).map(|url| (url.host, url.port)).unwrap();
        assert_eq!(host(""), (None, None));
        assert_eq!(host("/db"), (None, None));
        assert_eq!(host("[::1]:5433/db"), (Some("::1".into()), Some(5433)));
        assert_eq!(host("%2Frun%2Fpostgresql/db"), (Some("/run/postgresql".into()), None));
        assert_eq!(host("/db?host=/run/x&port=6000"), (Some("/run/x".into()), Some(6000)));
        assert_eq!(host("h:/db"), (Some("h".into()), None));
    }

    #[test]
    fn wrong_urls_are_refused_and_their_passwords_not_repeated() {
        for bad in [
            "u:secret@h:port/db",
            "u:secret@h:0/db",
            "u:secret@a,b/db",
            "u:secret@h/db?sslmod=require",
            "u:secret@h/db?sslmode",
            "u:%zz@h/db",
            "u:secret@[::1/db",
            "u:secret@h/db?channel_binding=require",
            "u:secret@h/db?password=secret&target_session_attrs=standby",
        ] {
            let error = PostgresUrl::parse(bad).unwrap_err();
            assert!(matches!(error, DalError::Url { .. }), "{bad}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let error = PostgresUrl::parse("h/db?sslmod=require").unwrap_err();
        assert!(error.to_string().contains("did you mean `sslmode`"), "{error}");
    }
}
