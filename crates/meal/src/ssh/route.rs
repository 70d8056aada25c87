//! From a server's parameters and the SSH configuration to a [`Route`].

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mer_core::Bound;

use super::{
    SshConfig, SshError, SshPlaces,
    config::{Files, Settings, Strict, matches_pattern, settings_for},
    known_hosts::Known,
    target::{Hop, Password, Route},
};

/// As the contract has them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const AUTH_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_COUNT: u32 = 3;
/// What stands for "no bound": longer than any process lives.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The private keys that are looked for where none is named, in OpenSSH's order.
const USUAL_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];
/// Jumps of jumps of jumps.
const MOST_JUMPS: usize = 8;

/// Resolves everything, jump hosts included.
pub(super) fn route(config: &SshConfig) -> Result<Route, SshError> {
    let planner = Planner { config, files: Disk { places: &config.places } };
    let mut warnings = Vec::new();
    let host = config.params.host.clone().unwrap_or_else(|| config.server.clone());
    // The registry's form `user@host:port` is split before it gets here; an alias has neither.
    let (target, jump) = planner.hop(&Spec { alias: host, user: None, port: None }, true, &mut warnings)?;
    let mut jumps = Vec::new();
    planner.jumps(jump.as_deref(), &mut jumps, &mut HashSet::new(), &mut warnings)?;
    Ok(Route { jumps, target, warnings })
}

/// A host as `ProxyJump` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    alias: String,
    user: Option<String>,
    port: Option<u16>,
}

struct Planner<'a> {
    config: &'a SshConfig,
    files: Disk<'a>,
}

impl Planner<'_> {
    fn error(&self, reason: impl Into<String>) -> SshError {
        SshError::Config { server: self.config.server.clone(), reason: reason.into() }
    }

    /// The hops of a `ProxyJump` list. The first hop's own jump leads it; those of the others are not asked, as in
    /// OpenSSH.
    fn jumps(
        &self,
        list: Option<&str>,
        found: &mut Vec<Hop>,
        seen: &mut HashSet<String>,
        warnings: &mut Vec<String>,
    ) -> Result<(), SshError> {
        let Some(list) = list.filter(|list| !list.eq_ignore_ascii_case("none") && !list.is_empty()) else {
            return Ok(());
        };
        for (index, text) in list.split(',').enumerate() {
            let spec = parse_spec(text.trim()).ok_or_else(|| self.error(format!("`{text}` is no jump host")))?;
            let (hop, jump) = self.hop(&spec, false, warnings)?;
            if index == 0 {
                if !seen.insert(spec.alias.clone()) || seen.len() > MOST_JUMPS {
                    return Err(self.error(format!("its jump host `{}` leads through itself", spec.alias)));
                }
                self.jumps(jump.as_deref(), found, seen, warnings)?;
            }
            found.push(hop);
        }
        if found.len() > MOST_JUMPS { Err(self.error("its way has too many jump hosts")) } else { Ok(()) }
    }

    /// One host, and through whom it is reached. The registry's parameters are the target's alone.
    fn hop(&self, spec: &Spec, target: bool, warnings: &mut Vec<String>) -> Result<(Hop, Option<String>), SshError> {
        let (places, all) = (&self.config.places, &self.config.params);
        let none = mer_core::ConnParams::default();
        let params = if target { all } else { &none };
        let asked_user = spec.user.as_deref().or(params.user.as_deref());
        let settings =
            settings_for(&self.files, &config_files(places), &spec.alias, asked_user, places.user.as_deref());
        for warning in &settings.warnings {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        let port = spec.port.or(params.port).or(settings.port).unwrap_or(22);
        let user = asked_user
            .or(settings.user.as_deref())
            .or(places.user.as_deref())
            .ok_or_else(|| self.error(format!("nobody says which user logs in on `{}`: set `user`", spec.alias)))?
            .to_owned();
        let host = settings
            .host_name
            .as_deref()
            .map_or_else(|| spec.alias.clone(), |name| tokens(name, &[('h', &spec.alias)]));
        let expand = Expand { places, host: &host, alias: &spec.alias, port, user: &user };
        let password = params.password.clone().map(Password::Plain);
        let password = password.or_else(|| params.password_env.clone().map(Password::Env));
        let password = password.or_else(|| params.password_file.clone().map(Password::File));
        let password = password.or_else(|| params.password_command.clone().map(Password::Command));
        let bound =
            |bound: Option<Bound>, other: Duration| bound.map_or(other, |bound| bound.duration().unwrap_or(FOR_EVER));
        let connect_timeout = settings.connect_timeout.filter(|time| !time.is_zero()).unwrap_or(CONNECT_TIMEOUT);
        // 0 switches OpenSSH's keepalives off; a connection that is gone must be noticed here all the same.
        let keepalive = settings.alive_interval.filter(|time| !time.is_zero()).unwrap_or(KEEPALIVE);
        let hop = Hop {
            known_name: Known::name(
                settings.host_key_alias.as_deref().unwrap_or(&host),
                match settings.host_key_alias {
                    Some(_) => 22,
                    None => port,
                },
            ),
            known_hosts: known_hosts(params.known_hosts.as_deref(), &settings, &expand),
            accept_new: self.config.accept_new || settings.strict == Some(Strict::AcceptNew),
            identities: identities(params.identity_file.as_deref(), &settings, &expand),
            agent: agent(&settings, &expand),
            identities_only: settings.identities_only.unwrap_or(false),
            password,
            connect_timeout: bound(all.connect_timeout, connect_timeout),
            auth_timeout: bound(all.auth_timeout, AUTH_TIMEOUT),
            keepalive: bound(all.keepalive_interval, keepalive),
            keepalive_count: all.keepalive_count.or(settings.alive_count).unwrap_or(KEEPALIVE_COUNT).max(1),
            host,
            port,
            user,
        };
        Ok((hop, params.proxy_jump.clone().or(settings.proxy_jump)))
    }
}

/// `[user@]host[:port]`, `[user@][v6]:port`, or `ssh://…` of the same.
fn parse_spec(text: &str) -> Option<Spec> {
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user.to_owned()), rest));
    let (alias, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?.parse().ok()?)),
        // An address of version 6 without brackets has several colons and no port.
        None if rest.matches(':').count() == 1 => {
            let (host, port) = rest.split_once(':')?;
            (host, Some(port.parse().ok()?))
        }
        None => (rest, None),
    };
    (!alias.is_empty()).then(|| Spec { alias: alias.to_owned(), user, port })
}

/// What the tokens of a path mean.
struct Expand<'a> {
    places: &'a SshPlaces,
    host: &'a str,
    alias: &'a str,
    port: u16,
    user: &'a str,
}

impl Expand<'_> {
    fn path(&self, text: &str) -> PathBuf {
        let home = self.places.home.as_deref().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let port = self.port.to_string();
        let local = self.places.user.as_deref().unwrap_or_default();
        let text = tokens(
            text,
            &[('h', self.host), ('n', self.alias), ('p', &port), ('r', self.user), ('d', &home), ('u', local)],
        );
        from_home(self.places, &text)
    }
}

fn from_home(places: &SshPlaces, text: &str) -> PathBuf {
    // Without a HOME, `~/.ssh` is the folder that stands for it.
    if let (None, Some(folder), Some(rest)) = (&places.home, &places.folder, text.strip_prefix("~/.ssh/")) {
        return folder.join(rest);
    }
    match (text.strip_prefix("~/"), &places.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

/// Replaces `%x`, and `%%` by `%`.
fn tokens(text: &str, values: &[(char, &str)]) -> String {
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

fn config_files(places: &SshPlaces) -> Vec<PathBuf> {
    let own = places.folder.as_ref().map(|folder| folder.join("config"));
    own.into_iter().chain(places.system_folder.as_ref().map(|folder| folder.join("ssh_config"))).collect()
}

fn known_hosts(registry: Option<&str>, settings: &Settings, expand: &Expand<'_>) -> Vec<PathBuf> {
    let places = expand.places;
    let none = |list: &[String]| list.iter().any(|file| file.eq_ignore_ascii_case("none"));
    let paths = |list: &[String]| list.iter().map(|file| expand.path(file)).collect::<Vec<_>>();
    let mut files = match (registry, &settings.user_known_hosts) {
        (Some(file), _) => vec![expand.path(file)],
        (None, Some(list)) if none(list) => Vec::new(),
        (None, Some(list)) => paths(list),
        (None, None) => places.folder.iter().map(|folder| folder.join("known_hosts")).collect(),
    };
    files.extend(match &settings.global_known_hosts {
        Some(list) if none(list) => Vec::new(),
        Some(list) => paths(list),
        None => places.system_folder.iter().map(|folder| folder.join("ssh_known_hosts")).collect(),
    });
    files
}

fn identities(registry: Option<&str>, settings: &Settings, expand: &Expand<'_>) -> Vec<(PathBuf, bool)> {
    let mut found: Vec<(PathBuf, bool)> = registry.iter().map(|file| (expand.path(file), true)).collect();
    for file in &settings.identity_files {
        let path = expand.path(file);
        if !file.eq_ignore_ascii_case("none") && !found.iter().any(|(other, _)| *other == path) {
            found.push((path, false));
        }
    }
    if registry.is_none() && settings.identity_files.is_empty() {
        let usual = expand.places.folder.iter().flat_map(|folder| USUAL_KEYS.map(|name| folder.join(name)));
        found.extend(usual.map(|path| (path, false)));
    }
    found
}

fn agent(settings: &Settings, expand: &Expand<'_>) -> Option<PathBuf> {
    match settings.identity_agent.as_deref() {
        Some(text) if text.eq_ignore_ascii_case("none") => None,
        None | Some("SSH_AUTH_SOCK") => expand.places.agent.clone(),
        Some(text) => Some(expand.path(text)),
    }
}

/// The files of this machine.
struct Disk<'a> {
    places: &'a SshPlaces,
}

impl Files for Disk<'_> {
    fn read(&self, path: &Path) -> Option<String> {
        mer_files::read_given(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn expand(&self, pattern: &str) -> Vec<PathBuf> {
        let path = from_home(self.places, pattern);
        let folder = self.places.folder.as_deref().unwrap_or(Path::new("/"));
        let mut found = vec![PathBuf::new()];
        // `join` of an absolute path is that path.
        for part in folder.join(path).components() {
            let name = part.as_os_str().to_string_lossy();
            found = if name.contains(['*', '?']) {
                found.iter().flat_map(|folder| entries(folder, &name)).collect()
            } else {
                found.iter().map(|folder| folder.join(part)).collect()
            };
        }
        found
    }
}

fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let hidden = |name: &str| name.starts_with('.') && !pattern.starts_with('.');
    let mut names: Vec<_> = names.filter(|name| matches_pattern(pattern, name) && !hidden(name)).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests;
