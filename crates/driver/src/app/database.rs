//! From the settings to what the data access layer wants to know.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use mer_dal::{DbUrl, ServerSettings, SurrealSettings};

use super::caller;
use crate::{
    config::{Login, Settings},
    error::CliError,
};

/// How long is waited where the settings say `none`: a lock that is never given back must not hold a command for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The database, to be used by this user.
///
/// # Errors
/// The URL is none (78).
pub(super) fn settings(
    settings: &Settings,
    login: Option<Login>,
    environment: &BTreeMap<String, String>,
) -> Result<mer_dal::Settings, CliError> {
    let url = DbUrl::parse(settings.db.reveal(), &settings.data_dir)?;
    let named = |variable: &str| environment.get(variable).filter(|value| !value.is_empty());
    let server = ServerSettings {
        application: Some(format!("mer, {}, process {}", caller::name(environment), std::process::id())),
        variables: postgres_variables(settings.db.reveal(), environment),
        // Beside the roots of the web, which are compiled in.
        surreal: SurrealSettings { tls_ca: authorities(environment).map(PathBuf::from), ..SurrealSettings::default() },
        home: named("HOME").map(PathBuf::from),
        os_user: Some(caller::user(environment)),
        ..ServerSettings::default()
    };
    let mut settings = mer_dal::Settings {
        wait: settings.db_wait.duration().unwrap_or(LONGEST_WAIT),
        scratch: std::env::temp_dir(),
        server,
        ..mer_dal::Settings::new(url)
    };
    login.into_iter().for_each(|login| log_in_as(&mut settings, login));
    Ok(settings)
}

/// Makes it the database as another user has it.
pub(super) fn log_in_as(settings: &mut mer_dal::Settings, login: Login) {
    let Login { username, password } = login;
    settings.server.username = Some(username);
    settings.server.password = password.map(|password| password.reveal().to_owned().into());
}

/// The file of authorities that the variable of OpenSSL names, where it exists.
fn authorities(environment: &BTreeMap<String, String>) -> Option<&String> {
    environment.get("SSL_CERT_FILE").filter(|file| Path::new(file.as_str()).is_file())
}

/// PostgreSQL's own variables. Those who ask for the certificate to be looked at have it looked at with `SSL_CERT_FILE`,
/// where they name no file for it; for others a file would mean that they had asked.
fn postgres_variables(url: &str, environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = environment.iter().filter(|(name, _)| name.starts_with("PG"));
    let mut variables: BTreeMap<String, String> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    let verifies =
        url.contains("sslmode=verify-") || variables.get("PGSSLMODE").is_some_and(|mode| mode.starts_with("verify-"));
    if let (true, Some(file)) = (verifies, authorities(environment)) {
        variables.entry("PGSSLROOTCERT".to_owned()).or_insert_with(|| file.clone());
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_of_the_environment_are_for_those_who_look_at_certificates() {
        let file = tempfile::NamedTempFile::new().expect("a file").path().display().to_string();
        let kept = tempfile::NamedTempFile::new().expect("a file");
        let named = |file: &str, more: &[(&str, &str)]| {
            let all = [("SSL_CERT_FILE", file), ("HOME", "/h")];
            all.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let root = |url: &str, environment: &BTreeMap<String, String>| {
            postgres_variables(url, environment).get("PGSSLROOTCERT").cloned()
        };
        let there = kept.path().display().to_string();
        assert_eq!(root("postgres://h?sslmode=verify-full", &named(&there, &[])), Some(there.clone()));
        assert_eq!(root("postgres://h", &named(&there, &[("PGSSLMODE", "verify-ca")])), Some(there.clone()));
        assert_eq!(root("postgres://h?sslmode=require", &named(&there, &[])), None);
        let own = named(&there, &[("PGSSLROOTCERT", "/own"), ("PGSSLMODE", "verify-ca")]);
        assert_eq!(root("postgres://h", &own).as_deref(), Some("/own"));
        assert_eq!(root("postgres://h?sslmode=verify-full", &named(&file, &[])), None, "the file is gone");
        assert_eq!(authorities(&named(&there, &[])), Some(&there));
    }
}
