//! The caller: for the log of accesses, and for servers that are to be signed in to.

use std::sync::OnceLock;

use mer_core::Claims;

use crate::variables::Variables;

/// Variables by which an environment names the caller. None of them proves anything.
const CLAIMS: [&str; 3] = ["USER", "SUDO_USER", "SSH_CONNECTION"];

/// `user@host`, as the system has it: the name of the real user, whatever the environment says. A user without an entry in
/// `/etc/passwd` (of a directory service, or in a container) goes by the number, as in `uid1000`.
pub(super) fn name() -> String {
    format!("{}@{}", listed_name().unwrap_or_else(by_number), host())
}

/// What the environment says of the caller beside that. A `USER` that says the same is none.
pub(super) fn claims(environment: &Variables) -> Claims {
    let known = listed_name();
    let set = CLAIMS.iter().filter_map(|name| Some(((*name).to_owned(), environment.get(name)?.to_string_lossy())));
    let telling = set.filter(|(name, value)| name != "USER" || Some(value.as_ref()) != known.as_deref());
    Claims::from(telling.map(|(name, value)| (name, value.into_owned())).collect::<std::collections::BTreeMap<_, _>>())
}

/// The user to sign in as where nothing names one. A server checks that name; so for a user that this machine does not list
/// the environment may say it.
pub(super) fn user(environment: &Variables) -> String {
    user_name(environment).unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

/// The user's name, where there is one.
pub(super) fn user_name(environment: &Variables) -> Option<String> {
    let named = |variable: &str| environment.text(variable).map(str::to_owned);
    listed_name().or_else(|| named("USER")).or_else(|| named("LOGNAME"))
}

fn by_number() -> String {
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

/// The name of this machine.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_better_than_the_environment() {
        let known = listed_name().unwrap_or_else(by_number);
        let liar = Variables::from_iter([("USER", "somebody-else"), ("LOGNAME", "another"), ("SUDO_USER", "ada")]);
        assert_eq!(name(), format!("{known}@{}", host()));
        assert_eq!(claims(&liar), Claims::from([("SUDO_USER", "ada"), ("USER", "somebody-else")]));
        let honest = Variables::from_iter([("USER", known.as_str()), ("SUDO_USER", "")]);
        if listed_name().is_some() {
            assert_eq!(claims(&honest), Claims::default());
        }
    }
}
