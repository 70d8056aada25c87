//! Parameters of a connection: from the URL, and for what it leaves open from the settings.

use std::path::PathBuf;

use super::SurrealUrl;
use crate::{
    AuthLevel, Secret, ServerSettings,
    error::ANONYMOUS,
    surreal::engine::{DATABASE, NAMESPACE},
};

/// Parameters of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectionParams {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Without a user, the connection does not sign in; a server may give rights to guests.
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) namespace: String,
    pub(super) database: String,
    /// Levels to try, in this order.
    pub(super) levels: Vec<AuthLevel>,
    pub(super) access: Option<String>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_insecure: bool,
}

impl ConnectionParams {
    pub(super) fn of(url: &SurrealUrl, settings: &ServerSettings) -> Self {
        let more = &settings.surreal;
        let user = url.user.clone().or_else(|| settings.username.clone());
        let password = match (&url.password, &url.user) {
            (Some(password), _) => Some(password.clone()),
            // A password belongs to its user.
            (None, Some(user)) if settings.username.as_ref().is_some_and(|other| other != user) => None,
            (None, _) => settings.password.clone(),
        };
        let access = url.access.clone().or_else(|| more.access.clone());
        let levels = match url.auth_level.or(more.auth_level) {
            Some(level) => vec![level],
            None if access.is_some() => vec![AuthLevel::Record],
            None => vec![AuthLevel::Database, AuthLevel::Namespace, AuthLevel::Root],
        };
        let or = |one: &Option<String>, other: &Option<String>, default: &str| {
            one.clone().or_else(|| other.clone()).unwrap_or_else(|| default.to_owned())
        };
        Self {
            tls: url.tls,
            host: url.host.clone(),
            port: url.port,
            user,
            password,
            namespace: or(&url.namespace, &more.namespace, NAMESPACE),
            database: or(&url.database, &more.database, DATABASE),
            levels,
            access,
            tls_ca: url.tls_ca.clone().or_else(|| more.tls_ca.clone()),
            tls_insecure: url.tls_verify.map_or(more.tls_insecure, |verify| !verify),
        }
    }

    /// Returns the user for messages.
    pub(super) fn shown_user(&self) -> String {
        self.user.clone().unwrap_or_else(|| ANONYMOUS.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SurrealSettings;

    #[test]
    fn the_url_wins_and_a_password_belongs_to_its_user() {
        let settings = ServerSettings {
            username: Some("ada".into()),
            password: Some(Secret::from("secret".to_owned())),
            surreal: SurrealSettings { database: Some("d".into()), ..SurrealSettings::default() },
            ..ServerSettings::default()
        };
        let of = |text: &str| ConnectionParams::of(&SurrealUrl::parse(false, text).unwrap(), &settings);
        let plain = of("h");
        assert_eq!((plain.user.as_deref(), plain.password.is_some()), (Some("ada"), true));
        assert_eq!((plain.namespace.as_str(), plain.database.as_str()), (NAMESPACE, "d"));
        assert_eq!(plain.levels, [AuthLevel::Database, AuthLevel::Namespace, AuthLevel::Root]);
        let other = of("bob@h/n/e?access=api");
        assert_eq!((other.user.as_deref(), other.password), (Some("bob"), None));
        assert_eq!((other.namespace.as_str(), other.database.as_str()), ("n", "e"));
        assert_eq!(other.levels, [AuthLevel::Record]);
        assert!(of("ada@h").password.is_some());
    }
}
