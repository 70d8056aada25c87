//! The caller, for the log of accesses and for servers that are signed in to.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    sync::OnceLock,
};

use mer_core::Claims;

/// Variables by which an environment names the caller. None of them proves anything.
const CLAIMS: [&str; 3] = ["USER", "SUDO_USER", "SSH_CONNECTION"];

/// The caller, as the log of accesses has it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `user@host`: the name of the real user as the system has it, whatever the environment says. A user without an entry in
    /// `/etc/passwd` (of a directory service, or in a container) goes by the number, as in `uid1000`.
    pub name: String,
    /// The name of this machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What the environment says of the caller beside that. A `USER` that says the same is left out.
    pub claims: Claims,
}

impl Caller {
    /// The user of this process. `environment` is only asked for the claims.
    #[must_use]
    pub fn of_this_process(environment: &BTreeMap<OsString, OsString>) -> Self {
        let host = host_name();
        let name = format!("{}@{host}", listed_name().unwrap_or_else(numbered_name));
        Self { name, host, pid: std::process::id(), claims: claims(environment) }
    }
}

/// The name of this machine.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of the real user: the one in `/etc/passwd`; for a user that this machine does not list the one that the
/// environment says, where it says one.
#[must_use]
pub fn login_name(environment: &BTreeMap<OsString, OsString>) -> Option<String> {
    let claimed = |variable: &str| variable_of(environment, variable)?.to_str().map(str::to_owned);
    listed_name().or_else(|| claimed("USER")).or_else(|| claimed("LOGNAME"))
}

/// A variable that is set and not empty.
fn variable_of<'a>(environment: &'a BTreeMap<OsString, OsString>, name: &str) -> Option<&'a OsStr> {
    environment.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
}

fn claims(environment: &BTreeMap<OsString, OsString>) -> Claims {
    let known = listed_name();
    let set = CLAIMS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), variable_of(environment, name)?.to_string_lossy().into_owned())));
    let telling = set.filter(|(name, value)| name != "USER" || Some(value) != known.as_ref());
    Claims::from(telling.collect::<BTreeMap<_, _>>())
}

fn numbered_name() -> String {
    format!("uid{}", rustix::process::getuid().as_raw())
}

/// The name of the real user in `/etc/passwd`. Other lists of users would need the C library's help, which a static binary
/// does not have.
fn listed_name() -> Option<String> {
    static LISTED: OnceLock<Option<String>> = OnceLock::new();
    LISTED.get_or_init(look_up_name).clone()
}

fn look_up_name() -> Option<String> {
    let passwd = mer_files::read_external("/etc/passwd").ok()?;
    let passwd = String::from_utf8_lossy(&passwd);
    mer_core::user_name(rustix::process::getuid().as_raw(), &passwd).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    #[test]
    fn the_system_knows_better_than_the_environment() {
        let known = listed_name().unwrap_or_else(numbered_name);
        let liar = environment(&[("USER", "somebody-else"), ("LOGNAME", "another"), ("SUDO_USER", "ada")]);
        assert_eq!(Caller::of_this_process(&liar).name, format!("{known}@{}", host_name()));
        assert_eq!(claims(&liar), Claims::from([("SUDO_USER", "ada"), ("USER", "somebody-else")]));
        let honest = environment(&[("USER", known.as_str()), ("SUDO_USER", "")]);
        if listed_name().is_some() {
            assert_eq!(claims(&honest), Claims::default());
        }
    }
}
