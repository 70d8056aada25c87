//! Who calls: for the log of accesses.

use std::collections::BTreeMap;

/// `user@host`.
pub(super) fn name(environment: &BTreeMap<String, String>) -> String {
    format!("{}@{}", user(environment), host())
}

/// The user. Cron may set no variable with the name, and a container may have no name at all: then the number stands for
/// it.
pub(super) fn user(environment: &BTreeMap<String, String>) -> String {
    user_name(environment).unwrap_or_else(uid)
}

/// The user's name, where there is one.
pub(super) fn user_name(environment: &BTreeMap<String, String>) -> Option<String> {
    let named = |variable: &str| environment.get(variable).filter(|name| !name.is_empty()).cloned();
    let listed = || mer_files::read_given_to_string("/etc/passwd").ok().and_then(|text| name_of(&uid(), &text));
    named("USER").or_else(|| named("LOGNAME")).or_else(listed)
}

fn uid() -> String {
    rustix::process::getuid().as_raw().to_string()
}

/// The user of this number in a file of the form of `/etc/passwd`.
fn name_of(uid: &str, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The name of this machine.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_name_that_the_file_gives_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:100::/h/ada:/bin/sh\n";
        assert_eq!(name_of("1000", passwd).as_deref(), Some("ada"));
        assert_eq!(name_of("0", passwd).as_deref(), Some("root"));
        assert_eq!(name_of("100", passwd), None);
    }

    #[test]
    fn the_environment_knows_better() {
        let environment = BTreeMap::from([("USER".to_owned(), "ada".to_owned())]);
        assert!(name(&environment).starts_with("ada@"));
    }
}
