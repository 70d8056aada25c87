//! Expands values of the configuration: `%h`, `${NAME}`, `~`, `~user`.

use std::path::{Path, PathBuf};

use crate::ssh::SshEnvironment;

/// The values of the tokens.
pub(super) struct Expand<'a> {
    pub(super) environment: &'a SshEnvironment,
    pub(super) host: &'a str,
    pub(super) alias: &'a str,
    /// `HostKeyAlias`, or the alias.
    pub(super) key_name: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
}

impl Expand<'_> {
    /// Expands a path.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let home = self.environment.home.as_deref().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let port = self.port.to_string();
        let local = self.environment.user.as_deref().unwrap_or_default();
        let uid = rustix::process::getuid().as_raw().to_string();
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let short = node.split('.').next().unwrap_or_default();
        let text = tokens(
            text,
            &[
                ('h', self.host),
                ('n', self.alias),
                ('k', self.key_name),
                ('p', &port),
                ('r', self.user),
                ('d', &home),
                ('u', local),
                ('i', &uid),
                ('l', &node),
                ('L', short),
            ],
        );
        from_home(self.environment, &variables(self.environment, &text)?)
    }

    /// Expands `ProxyCommand`, and the list of `ProxyJump`.
    pub(super) fn proxy(&self, text: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let found = tokens(text, &[('h', self.host), ('n', self.alias), ('p', &port), ('r', self.user)]);
        if found.contains('\0') { Err("its proxy contains a NUL byte".to_owned()) } else { Ok(found) }
    }
}

/// Replaces `${NAME}`. As in OpenSSH, an unset variable is an error, because the result would name another file.
pub(super) fn variables(environment: &SshEnvironment, text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = environment.variables.get(name);
        let value = value.ok_or_else(|| format!("`{text}` names the variable `{name}`, which is not set"))?;
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    Ok(out + rest)
}

/// Replaces a leading `~` or `~user`.
pub(super) fn from_home(environment: &SshEnvironment, text: &str) -> Result<PathBuf, String> {
    let Some(rest) = text.strip_prefix('~') else { return Ok(PathBuf::from(text)) };
    // Without a HOME, the given folder stands for `~/.ssh`.
    if let (None, Some(folder), Some(rest)) = (&environment.home, &environment.folder, rest.strip_prefix("/.ssh/")) {
        return Ok(folder.join(rest));
    }
    let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if user.is_empty() {
        return Ok(environment.home.as_ref().map_or_else(|| PathBuf::from(text), |home| home.join(rest)));
    }
    let listed = mer_files::read_external_lossy("/etc/passwd").unwrap_or_default();
    let home = home_of(user, &listed).ok_or_else(|| format!("`{text}`: there is no user `{user}` on this machine"))?;
    Ok(home.join(rest))
}

/// The home folder of a user, from text in the format of `/etc/passwd`.
fn home_of(user: &str, listed: &str) -> Option<PathBuf> {
    listed.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == user).then(|| fields.nth(4).map(PathBuf::from))?
    })
}

/// Replaces `%x`, and `%%` by `%`.
pub(super) fn tokens(text: &str, values: &[(char, &str)]) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') | None => out.push('%'),
            Some(token) => match values.iter().find(|(name, _)| *name == token) {
                Some((_, value)) => out.push_str(value),
                None => out.extend(['%', token]),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_of_users() {
        let listed = "root:x:0:0:root:/root:/bin/sh\nada:x:1:1::/h/ada:/bin/sh\nbroken\n";
        assert_eq!(home_of("ada", listed), Some(PathBuf::from("/h/ada")));
        assert_eq!((home_of("eve", listed), home_of("broken", listed)), (None, None));
        let environment = SshEnvironment { home: Some(PathBuf::from("/h/me")), ..SshEnvironment::default() };
        for (text, path) in [("~", "/h/me"), ("~/k", "/h/me/k"), ("/k", "/k"), ("k~", "k~")] {
            assert_eq!(from_home(&environment, text), Ok(PathBuf::from(path)), "{text}");
        }
        let root = std::fs::read_to_string("/etc/passwd").is_ok_and(|listed| home_of("root", &listed).is_some());
        assert!(
            !root || from_home(&environment, "~root/k").is_ok_and(|path| path.is_absolute() && path.ends_with("k"))
        );
        assert!(
            from_home(&environment, "~no-such-user-at-all/k").is_err_and(|why| why.contains("no-such-user-at-all"))
        );
    }

    #[test]
    fn variables_are_replaced_or_missed() {
        let known = [("KEYS".to_owned(), "/k".to_owned())].into();
        let environment = SshEnvironment { variables: std::sync::Arc::new(known), ..SshEnvironment::default() };
        assert_eq!(variables(&environment, "${KEYS}/a$b${"), Ok("/k/a$b${".to_owned()));
        assert!(variables(&environment, "${NONE}/a").is_err_and(|why| why.contains("`NONE`")));
    }
}
