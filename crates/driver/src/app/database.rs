//! From the settings to what the data access layer wants to know.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use mer_dal::{DbUrl, ServerSettings};

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
        variables: environment
            .iter()
            .filter(|(name, _)| name.starts_with("PG"))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
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
