//! The caller's environment, and what of it a process that MER starts may see: neither MER's own settings nor secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::OsStrExt as _,
    sync::{Mutex, PoisonError},
};

use mer_core::Server;

/// Whether a variable is removed whatever its value: MER's own settings, and names of database credentials.
fn is_private(name: &[u8]) -> bool {
    name.starts_with(b"MER_")
        || name.starts_with(b"PG")
        || name.starts_with(b"DB_")
        || name.windows(4).any(|part| part == b"_DB_")
        || name == b"ALLOW_MODEL_SERVER_RUNTIME_CHANGES"
        // The folder in which systemd passes secrets.
        || name == b"CREDENTIALS_DIRECTORY"
        || is_of_service_manager(name)
}

/// Whether a variable is a word of the service manager (systemd) to the process that it has started, and to no other one: a
/// model that answered it would speak for `mer`.
#[must_use]
pub fn is_of_service_manager(name: &[u8]) -> bool {
    matches!(name, b"NOTIFY_SOCKET" | b"LISTEN_FDS" | b"LISTEN_PID" | b"LISTEN_FDNAMES" | b"LISTEN_PIDFDID")
        || name.starts_with(b"WATCHDOG_")
}

/// Variables that hold no secret, even if a password is the same word: `USER` and the password of a test database may both be `root`.
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

/// Minimum length, in bytes, of a secret that is found anywhere in a value. A shorter one could be a part of any word, and is
/// found only where passwords are usual.
const MIN_LONG_SECRET: usize = 12;

/// The environment that `mer` was started with.
#[derive(Default)]
pub struct CallerEnvironment {
    variables: BTreeMap<OsString, OsString>,
    secrets: Vec<Vec<u8>>,
    /// Variables that servers name as their `passwordEnv`.
    named: Mutex<BTreeSet<OsString>>,
}

impl CallerEnvironment {
    /// `secrets` are passwords of the database. A variable that holds one is removed, whatever its name.
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

    /// Returns all variables.
    #[must_use]
    pub const fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.variables
    }

    /// Notes which variables hold the passwords of these servers.
    pub fn learn(&self, servers: &[Server]) {
        let named = servers.iter().filter_map(|server| server.spec.params.password_env.as_ref());
        let mut known = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(named.map(OsString::from));
    }

    /// Returns the variables that a process may see.
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

/// Prints the number of variables only: any of them may hold a secret.
impl fmt::Debug for CallerEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerEnvironment").field("variables", &self.variables.len()).finish_non_exhaustive()
    }
}

/// Whether a value is a secret, or contains it in a position where URLs, parameters and quoted texts have passwords.
fn holds(value: &[u8], secret: &[u8]) -> bool {
    let mut positions = value.windows(secret.len()).enumerate().filter(|(_, part)| *part == secret).map(|(at, _)| at);
    positions.any(|at| {
        let before = at.checked_sub(1).map(|at| value[at]);
        let after = value.get(at + secret.len()).copied();
        let begins = before.is_none_or(|byte| b":=\"' \t\n,;([{<|".contains(&byte));
        let ends = after.is_none_or(|byte| b"@&\"' \t\n,;)]}>|:?#%\\".contains(&byte));
        // `USER/PASSWORD@HOST`. After any other slash a short password may be the name of a folder.
        let follows_user = before == Some(b'/') && after == Some(b'@');
        secret.len() >= MIN_LONG_SECRET || (begins && ends) || follows_user
    })
}

/// Percent-encodes a text as a part of a URL. `all` also encodes punctuation that some programs leave as it is.
fn encoded(text: &[u8], all: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || if all { false } else { b"-._~!$'()*+,;".contains(&byte) };
    let escape = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    text.iter().map(escape).collect()
}

#[cfg(test)]
mod tests;
