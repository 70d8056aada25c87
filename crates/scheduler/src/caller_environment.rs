//! The environment of a process that MER starts: the caller's, without what is MER's own business and without secrets, with
//! what the process is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::OsStrExt as _,
    sync::{Mutex, PoisonError},
};

use mer_core::{Access, Kind, ModelParams, Protocol, Server};

/// What MER takes out, whatever it holds: its own settings, and what goes by the name of a database's credentials.
fn is_private(name: &[u8]) -> bool {
    name.starts_with(b"MER_")
        || name.starts_with(b"PG")
        || name.starts_with(b"DB_")
        || name.windows(4).any(|part| part == b"_DB_")
        || name == b"ALLOW_MODEL_SERVER_RUNTIME_CHANGES"
        // The folder in which systemd hands over secrets.
        || name == b"CREDENTIALS_DIRECTORY"
}

/// Variables that hold no secret, even where a password is the same word: that of a test may well be `root`.
const PLAIN: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "LANG",
    "LANGUAGE",
    "TERM",
    "TMPDIR",
    "HOSTNAME",
    "MAIL",
    "EDITOR",
    "DISPLAY",
    "LD_LIBRARY_PATH",
];

/// A secret of so many bytes is found wherever it stands; a shorter one, which may be part of any word, only where
/// passwords stand.
const LONG: usize = 12;

/// The environment that the caller has given to `mer`, and which of it no process of MER's gets.
#[derive(Default)]
pub struct CallerEnvironment {
    variables: BTreeMap<OsString, OsString>,
    secrets: Vec<Vec<u8>>,
    /// The variables that servers name as theirs: `passwordEnv`.
    named: Mutex<BTreeSet<OsString>>,
}

impl CallerEnvironment {
    /// `secrets` are the passwords of the database: a variable that holds one is taken out, whatever it is called.
    #[must_use]
    pub fn new(variables: BTreeMap<OsString, OsString>, secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all = BTreeSet::new();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            all.insert(encoded(secret.as_bytes(), false).into_bytes());
            all.insert(encoded(secret.as_bytes(), true).into_bytes());
            all.insert(secret.into_bytes());
        }
        Self { variables, secrets: all.into_iter().collect(), named: Mutex::default() }
    }

    /// All of it.
    #[must_use]
    pub const fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.variables
    }

    /// Remembers which variables hold the passwords of these servers.
    pub fn learn(&self, servers: &[Server]) {
        let named = servers.iter().filter_map(|server| server.spec.params.password_env.as_ref());
        let mut known = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(named.map(OsString::from));
    }

    /// What a process may have of it.
    #[must_use]
    pub fn public(&self) -> BTreeMap<OsString, OsString> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let is_public = |name: &OsStr, value: &OsStr| {
            !is_private(name.as_bytes()) && !named.contains(name) && !self.holds_secret(name, value.as_bytes())
        };
        let public = self.variables.iter().filter(|(name, value)| is_public(name, value));
        public.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn holds_secret(&self, name: &OsStr, value: &[u8]) -> bool {
        !PLAIN.iter().any(|plain| name == *plain) && self.secrets.iter().any(|secret| holds(value, secret))
    }
}

/// Its secrets are not shown, and any variable may be one.
impl fmt::Debug for CallerEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerEnvironment").field("variables", &self.variables.len()).finish_non_exhaustive()
    }
}

/// Whether a value is a secret, or has it in it as URLs, parameters and quoted texts have passwords.
fn holds(value: &[u8], secret: &[u8]) -> bool {
    let mut places = value.windows(secret.len()).enumerate().filter(|(_, part)| *part == secret).map(|(at, _)| at);
    places.any(|at| {
        let before = at.checked_sub(1).map(|at| value[at]);
        let after = value.get(at + secret.len()).copied();
        let begins = before.is_none_or(|byte| b":=\"' \t\n,;([{<|".contains(&byte));
        let ends = after.is_none_or(|byte| b"@&\"' \t\n,;)]}>|:?#%\\".contains(&byte));
        // `USER/PASSWORD@HOST`. Any other slash is that of a path, where a short password may well be a folder's name.
        let follows_user = before == Some(b'/') && after == Some(b'@');
        secret.len() >= LONG || (begins && ends) || follows_user
    })
}

/// A text as a part of a URL; `all` escapes also what some leave as it is.
fn encoded(text: &[u8], all: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || if all { false } else { b"-._~!$'()*+,;".contains(&byte) };
    let escape = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    text.iter().map(escape).collect()
}

/// The whole environment of one process.
///
/// A process that stays up serves many requests, so that it is told its model and not a request.
pub(crate) fn environment(
    caller: BTreeMap<OsString, OsString>,
    model: &str,
    params: &ModelParams,
    access: &Access,
) -> BTreeMap<OsString, OsString> {
    let mut env = caller;
    env.entry("PYTHONUNBUFFERED".into()).or_insert_with(|| "1".into());
    env.extend(params.env.iter().map(|(name, value)| (name.into(), value.into())));
    let mut tell = |name: &str, value: String| env.insert(name.into(), value.into());
    tell("MER_MODEL", model.to_owned());
    if params.protocol() == Protocol::Oneshot || access.kind == Kind::Train {
        tell("MER_REQUEST_UID", access.request_uid.to_string());
        tell("MER_ATTEMPT", access.attempt.to_string());
    }
    env
}

#[cfg(test)]
mod tests;
