//! From the settings of `mer` to those of the data access layer.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use mer_dal::{DbUrl, ServerSettings, SurrealSettings};
use mer_service::{Caller, login_name};

use crate::{
    config::{Login, Settings},
    errors::CliError,
    variables::Variables,
};

/// Bound on the wait where the settings say `none`: a lock that is never given back must not hold a command for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The database, as this user. `from_working_folder`: its URL was found in the working folder; then it gets no credentials
/// from elsewhere.
///
/// # Errors
/// The URL is not valid, or a variable is not UTF-8 (78).
pub(super) fn settings(
    settings: &Settings,
    login: Option<Login>,
    environment: &Variables,
    caller: &Caller,
    from_working_folder: bool,
) -> Result<mer_dal::Settings, CliError> {
    let url = DbUrl::parse(settings.db.reveal(), &settings.data_dir)?;
    let server = ServerSettings {
        application: Some(format!("mer, {}, process {}", caller.name, caller.pid)),
        variables: postgres_variables(settings.db.reveal(), environment, from_working_folder)?,
        // Beside the roots of the web, which are compiled in.
        surreal: SurrealSettings { tls_ca: authorities(environment), ..SurrealSettings::default() },
        // The password file is in it.
        home: environment.home().filter(|_| !from_working_folder),
        os_user: Some(user(environment)),
        ..ServerSettings::default()
    };
    let mut settings = mer_dal::Settings {
        wait: settings.db_wait.duration().unwrap_or(LONGEST_WAIT),
        scratch: std::env::temp_dir(),
        server,
        ..mer_dal::Settings::new(url)
    };
    if let Some(login) = login {
        let mer_service::Login { username, password } = self::login(login);
        settings.server.username = Some(username);
        settings.server.password = password;
    }
    Ok(settings)
}

/// The user, as the service takes it.
pub(super) fn login(login: Login) -> mer_service::Login {
    let Login { username, password } = login;
    mer_service::Login { username, password: password.map(|password| password.reveal().to_owned().into()) }
}

/// The user to sign in as where nothing names one. A server checks that name; so for a user that this machine does not list
/// the environment may say it.
fn user(environment: &Variables) -> String {
    login_name(environment.all()).unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

/// The file of authorities that the variable of OpenSSL names, where it exists.
fn authorities(environment: &Variables) -> Option<PathBuf> {
    environment.path("SSL_CERT_FILE").filter(|file| file.is_file())
}

/// PostgreSQL's variables that are credentials, or name files of them.
const CREDENTIALS: [&str; 6] = ["PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSSLCERT", "PGSSLKEY", "PGOPTIONS"];

/// PostgreSQL's own variables. Where they ask for the certificate to be verified and name no file of authorities, that is
/// `SSL_CERT_FILE`. It is not set otherwise: a file of authorities alone would switch verification on.
fn postgres_variables(
    url: &str,
    environment: &Variables,
    from_working_folder: bool,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut variables = BTreeMap::new();
    if !url.starts_with("postgres") {
        return Ok(variables);
    }
    for (name, value) in environment.all() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PG")) else { continue };
        if from_working_folder && CREDENTIALS.contains(&name) {
            continue;
        }
        let no_text = || CliError::config(format!("the environment variable `{name}` is not UTF-8"));
        variables.insert(name.to_owned(), value.to_str().ok_or_else(no_text)?.to_owned());
    }
    let verifies =
        url.contains("sslmode=verify-") || variables.get("PGSSLMODE").is_some_and(|mode| mode.starts_with("verify-"));
    if let (true, Some(file)) = (verifies, authorities(environment).and_then(|file| file.to_str().map(str::to_owned))) {
        variables.entry("PGSSLROOTCERT".to_owned()).or_insert(file);
    }
    Ok(variables)
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
            all.iter().chain(more).copied().collect::<Variables>()
        };
        let root = |url: &str, environment: &Variables| {
            postgres_variables(url, environment, false).expect("texts").get("PGSSLROOTCERT").cloned()
        };
        let there = kept.path().display().to_string();
        assert_eq!(root("postgres://h?sslmode=verify-full", &named(&there, &[])), Some(there.clone()));
        assert_eq!(root("postgres://h", &named(&there, &[("PGSSLMODE", "verify-ca")])), Some(there.clone()));
        assert_eq!(root("postgres://h?sslmode=require", &named(&there, &[])), None);
        let own = named(&there, &[("PGSSLROOTCERT", "/own"), ("PGSSLMODE", "verify-ca")]);
        assert_eq!(root("postgres://h", &own).as_deref(), Some("/own"));
        assert_eq!(root("postgres://h?sslmode=verify-full", &named(&file, &[])), None, "the file is gone");
        assert_eq!(authorities(&named(&there, &[])), Some(PathBuf::from(&there)));
    }

    #[test]
    fn a_url_of_the_working_folder_gets_no_credentials_of_the_environment() {
        let environment = Variables::from_iter([("PGPASSWORD", "p"), ("PGPASSFILE", "/f"), ("PGSSLMODE", "require")]);
        let names = |local| {
            let found = postgres_variables("postgres://h", &environment, local).expect("texts");
            found.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names(true), ["PGSSLMODE"]);
        assert_eq!(names(false), ["PGPASSFILE", "PGPASSWORD", "PGSSLMODE"]);
        assert!(postgres_variables("ws://h", &environment, false).expect("texts").is_empty());
    }
}
