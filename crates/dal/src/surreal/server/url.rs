//! Parses `ws://` and `wss://` URLs.

use std::{fmt, path::PathBuf};

use crate::{
    AuthLevel, DalError, Secret,
    url_parts::{decoded, encoded, host_and_port, some, unreadable},
};

/// Every parameter of a URL.
const KNOWN: [&str; 8] = ["user", "password", "namespace", "database", "authLevel", "access", "tlsCa", "tlsVerify"];

/// Default port of the server.
const PORT: u16 = 8000;
/// Default port of a proxy with TLS in front of a server.
const TLS_PORT: u16 = 443;

/// URL of a database on a SurrealDB server:
/// `ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/NAMESPACE[/DATABASE]][?PARAMETER=VALUE&…]`.
///
/// [`crate::ServerSettings`] complete it. Its text never contains the password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurrealUrl {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) namespace: Option<String>,
    pub(super) database: Option<String>,
    pub(super) auth_level: Option<AuthLevel>,
    pub(super) access: Option<String>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_verify: Option<bool>,
}

impl SurrealUrl {
    /// Parses a URL without its `ws://` or `wss://`.
    pub(crate) fn parse(tls: bool, rest: &str) -> Result<Self, DalError> {
        Self::read(tls, rest).map_err(|why| unreadable(scheme(tls), rest, why))
    }

    fn read(tls: bool, rest: &str) -> Result<Self, String> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(Secret::from(decoded(password)?))),
            None => (login, None),
        };
        let (host, port) = host_and_port(address)?;
        // `/rpc` is the path of the protocol, which URLs of other clients name.
        let path = if path == "rpc" { "" } else { path.trim_end_matches('/') };
        let (namespace, database) = path.split_once('/').unwrap_or((path, ""));
        if database.contains('/') {
            return Err("only a namespace and a database may follow the host".to_owned());
        }
        let mut url = Self {
            tls,
            host: host.map(decoded).transpose()?.ok_or("no host is given")?,
            port: port.unwrap_or(if tls { TLS_PORT } else { PORT }),
            user: some(decoded(user)?),
            password,
            namespace: some(decoded(namespace)?),
            database: some(decoded(database)?),
            ..Self::default()
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| "a parameter has no `=`".to_owned())?;
            url.parameter(&decoded(name)?, decoded(value)?)?;
        }
        Ok(url)
    }

    fn parameter(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "user" => self.user = some(value),
            "password" => self.password = Some(value.into()),
            "namespace" => self.namespace = some(value),
            "database" => self.database = some(value),
            "authLevel" => self.auth_level = Some(value.parse()?),
            "access" => self.access = some(value),
            "tlsCa" => self.tls_ca = some(value).map(PathBuf::from),
            "tlsVerify" => {
                self.tls_verify = match value.as_str() {
                    "on" => Some(true),
                    "off" => Some(false),
                    _ => return Err(format!("`tlsVerify` is `on` or `off`, not `{value}`")),
                };
            }
            _ => {
                let nearest = mer_core::nearest(name, KNOWN);
                let hint = nearest.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(format!("it has no parameter `{name}`{hint}"));
            }
        }
        Ok(())
    }

    /// Returns the host as it is written before a port.
    pub(super) fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

const fn scheme(tls: bool) -> &'static str {
    if tls { "wss" } else { "ws" }
}

impl fmt::Display for SurrealUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", scheme(self.tls))?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encoded(user))?;
        }
        write!(f, "{}:{}", self.bracketed_host(), self.port)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "/{}", encoded(namespace))?;
            if let Some(database) = &self.database {
                write!(f, "/{}", encoded(database))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_in_all_its_parts() {
        let text = "m%40r:p%3Aw@db.example.org:9000/n%20s/d%2Fb?authLevel=namespace&tlsCa=/a/ca.pem&tlsVerify=off";
        let url = SurrealUrl::parse(true, text).unwrap();
        assert_eq!(url.user.as_deref(), Some("m@r"));
        assert_eq!(url.password.as_ref().map(Secret::reveal), Some("p:w"));
        assert_eq!((url.namespace.as_deref(), url.database.as_deref()), (Some("n s"), Some("d/b")));
        assert_eq!((url.auth_level, url.tls_verify), (Some(AuthLevel::Namespace), Some(false)));
        assert_eq!(url.to_string(), "wss://m%40r@db.example.org:9000/n%20s/d%2Fb");
        assert!(!format!("{url:?}").contains("p:w"));
        assert_eq!(SurrealUrl::parse(false, "[::1]/rpc").unwrap().to_string(), "ws://[::1]:8000");
        assert_eq!(SurrealUrl::parse(true, "h").unwrap().to_string(), "wss://h:443");
    }

    #[test]
    fn wrong_urls_are_refused_and_their_passwords_not_repeated() {
        for bad in [
            "",
            "u:secret@",
            "u:secret@h:x",
            "u:secret@h/a/b/c",
            "u:secret@h?acces=x",
            "h?tlsVerify=no&password=secret",
        ] {
            let error = SurrealUrl::parse(false, bad).unwrap_err();
            assert!(matches!(error, DalError::Url { .. }), "{bad}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let error = SurrealUrl::parse(false, "h?acces=x").unwrap_err();
        assert!(error.to_string().contains("did you mean `access`"), "{error}");
    }
}
