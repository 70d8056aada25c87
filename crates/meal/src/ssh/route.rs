//! Builds the [`Route`] to a server from its parameters and the SSH configuration.

mod expand;
mod files;
mod keys;

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use mer_core::{Bound, ConnParams};

use self::{
    expand::Expand,
    files::{LocalFiles, config_files},
};
use super::{
    SshConfig, SshError,
    config::{Proxy, Settings, StrictHostKeyChecking, settings_for},
    known_hosts::KnownKeys,
    proxy::{ProxyCommand, RunningProxies},
    target::{Hop, Password, Route, UnknownHostKey},
};

/// Defaults of the registry's parameters.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const AUTH_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_COUNT: u32 = 3;
/// Stands for "no bound": longer than any process lives.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Maximum number of jump hosts.
const MAX_JUMPS: usize = 8;

/// Builds the route, jump hosts included.
pub(super) fn route(config: &SshConfig) -> Result<Route, SshError> {
    let planner = Planner { config, files: LocalFiles { environment: &config.environment } };
    let mut warnings = Vec::new();
    let host = config.params.host.clone().unwrap_or_else(|| config.server.clone());
    // The form `user@host:port` of the registry was split before; an alias has neither user nor port.
    let found = planner.hop(&HostSpec { alias: host, user: None, port: None }, true, &mut warnings)?;
    let ResolvedHop { hop: mut target, via, settings } = found;
    let variables = keys::variables(&settings, &config.environment.variables);
    let mut jumps = Vec::new();
    match via {
        HopProxy::None => {}
        HopProxy::Command(command) => target.proxy_command = Some(command),
        HopProxy::Jumps(list) => planner.jumps(&list, &mut jumps, &mut HashSet::new(), &mut warnings)?,
    }
    Ok(Route { jumps, target, variables, warnings })
}

/// A host as `ProxyJump` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostSpec {
    alias: String,
    user: Option<String>,
    port: Option<u16>,
}

/// How a host is reached.
enum HopProxy {
    None,
    /// A list of jump hosts, with its tokens replaced.
    Jumps(String),
    Command(ProxyCommand),
}

/// A host, and how it is reached.
struct ResolvedHop {
    hop: Hop,
    via: HopProxy,
    settings: Settings,
}

struct Planner<'a> {
    config: &'a SshConfig,
    files: LocalFiles<'a>,
}

impl Planner<'_> {
    fn error(&self, reason: impl Into<String>) -> SshError {
        SshError::Config { server: self.config.server.clone(), reason: reason.into() }
    }

    /// Adds the hops of a `ProxyJump` list. As in OpenSSH, only the first hop may have a proxy of its own.
    fn jumps(
        &self,
        list: &str,
        found: &mut Vec<Hop>,
        seen: &mut HashSet<String>,
        warnings: &mut Vec<String>,
    ) -> Result<(), SshError> {
        for (index, text) in list.split(',').enumerate() {
            let spec = parse_spec(text.trim()).ok_or_else(|| self.error(format!("`{text}` is no jump host")))?;
            let ResolvedHop { mut hop, via, .. } = self.hop(&spec, false, warnings)?;
            if index == 0 {
                if !seen.insert(spec.alias.clone()) || seen.len() > MAX_JUMPS {
                    return Err(self.error(format!("its jump host `{}` leads through itself", spec.alias)));
                }
                match via {
                    HopProxy::None => {}
                    HopProxy::Command(command) => hop.proxy_command = Some(command),
                    HopProxy::Jumps(list) => self.jumps(&list, found, seen, warnings)?,
                }
            }
            found.push(hop);
        }
        if found.len() > MAX_JUMPS { Err(self.error("its route has too many jump hosts")) } else { Ok(()) }
    }

    /// Resolves one host, and how it is reached. The registry's parameters apply to the target only, except for
    /// bounds and `knownHosts`.
    fn hop(&self, spec: &HostSpec, target: bool, warnings: &mut Vec<String>) -> Result<ResolvedHop, SshError> {
        let (environment, all) = (&self.config.environment, &self.config.params);
        let none = ConnParams::default();
        let params = if target { all } else { &none };
        let asked_user = spec.user.as_deref().or(params.user.as_deref());
        let settings =
            settings_for(&self.files, &config_files(environment), &spec.alias, asked_user, environment.user.as_deref());
        for warning in &settings.warnings {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        let port = spec.port.or(params.port).or(settings.port).unwrap_or(22);
        let user = asked_user
            .or(settings.user.as_deref())
            .or(environment.user.as_deref())
            .ok_or_else(|| self.error(format!("nothing says which user logs in on `{}`: set `user`", spec.alias)))?
            .to_owned();
        let host = settings
            .host_name
            .as_deref()
            .map_or_else(|| spec.alias.clone(), |name| expand::tokens(name, &[('h', &spec.alias)]));
        let key_name = settings.host_key_alias.as_deref().unwrap_or(&spec.alias);
        let expand = Expand { environment, host: &host, alias: &spec.alias, key_name, port, user: &user };
        let via = self.via(params, &settings, &expand)?;
        let (known_name, known_name_without_port) = match &settings.host_key_alias {
            Some(alias) => (KnownKeys::name(alias, 22), None),
            None => (KnownKeys::name(&host, port), (port != 22).then(|| KnownKeys::name(&host, 22))),
        };
        let known_hosts = files::known_hosts(all.known_hosts.as_deref(), target, &settings, &expand)
            .map_err(|reason| self.error(reason))?;
        let unknown = match settings.strict {
            _ if self.config.accept_new => UnknownHostKey::Record,
            Some(StrictHostKeyChecking::AcceptNew) => UnknownHostKey::Accept,
            _ => UnknownHostKey::Refuse,
        };
        let bound =
            |bound: Option<Bound>, other: Duration| bound.map_or(other, |bound| bound.duration().unwrap_or(FOR_EVER));
        let connect_timeout = settings.connect_timeout.filter(|time| !time.is_zero()).unwrap_or(CONNECT_TIMEOUT);
        // 0 disables keepalives in OpenSSH. Here they are needed to notice a lost connection.
        let keepalive = settings.alive_interval.filter(|time| !time.is_zero()).unwrap_or(KEEPALIVE);
        let password = password(params);
        let keys = keys::keys(params, &settings, &expand).map_err(|reason| self.error(reason))?;
        let hop = Hop {
            known_name,
            known_name_without_port,
            record_in: known_hosts.record_in,
            known_hosts: known_hosts.files,
            unknown,
            loopback_unchecked: settings.no_host_authentication_for_localhost == Some(true)
                && settings.host_key_alias.is_none(),
            methods: keys::methods(params, &settings, password.is_some()),
            identities: keys.identities,
            certificates: keys.certificates,
            agent: keys.agent,
            is_usual_agent: keys.is_usual_agent,
            socket_folders: keys::socket_folders(environment),
            identities_only: keys.only,
            password,
            proxy_command: None,
            connect_timeout: bound(all.connect_timeout, connect_timeout),
            connection_attempts: settings.connection_attempts.unwrap_or(1).max(1),
            auth_timeout: bound(all.auth_timeout, AUTH_TIMEOUT),
            keepalive: bound(all.keepalive_interval, keepalive),
            keepalive_count: all.keepalive_count.or(settings.alive_count).unwrap_or(KEEPALIVE_COUNT).max(1),
            algorithms: settings.algorithms.clone(),
            host,
            port,
            user,
        };
        Ok(ResolvedHop { hop, via, settings })
    }

    /// How a host is reached: by the registry's `proxyJump`, or else as the configuration says.
    fn via(&self, params: &ConnParams, settings: &Settings, expand: &Expand<'_>) -> Result<HopProxy, SshError> {
        let named = params.proxy_jump.clone().map(Proxy::Jump).or_else(|| settings.proxy.clone());
        let is_none = |text: &str| text.is_empty() || text.eq_ignore_ascii_case("none");
        Ok(match named {
            None => HopProxy::None,
            Some(Proxy::Jump(text) | Proxy::Command(text)) if is_none(&text) => HopProxy::None,
            Some(Proxy::Jump(list)) => HopProxy::Jumps(expand.proxy(&list).map_err(|reason| self.error(reason))?),
            Some(Proxy::Command(line)) => {
                let variables = &self.config.environment.variables;
                let shell = variables.get("SHELL").filter(|shell| shell.starts_with('/'));
                // The command must not see the server's password.
                let mut variables = Arc::clone(variables);
                if let Some(name) = &self.config.params.password_env {
                    Arc::make_mut(&mut variables).remove(name);
                }
                HopProxy::Command(ProxyCommand {
                    line: expand.proxy(&line).map_err(|reason| self.error(reason))?,
                    shell: shell.map_or_else(|| PathBuf::from("/bin/sh"), PathBuf::from),
                    variables,
                    running: RunningProxies::default(),
                })
            }
        })
    }
}

fn password(params: &ConnParams) -> Option<Password> {
    let password = params.password.clone().map(Password::Plain);
    let password = password.or_else(|| params.password_env.clone().map(Password::Env));
    let password = password.or_else(|| params.password_file.clone().map(Password::File));
    password.or_else(|| params.password_command.clone().map(Password::Command))
}

/// Parses `[user@]host[:port]`, `[user@][v6]:port`, or `ssh://…` of the same.
fn parse_spec(text: &str) -> Option<HostSpec> {
    let text = text.strip_prefix("ssh://").map_or(text, |text| text.strip_suffix('/').unwrap_or(text));
    let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user.to_owned()), rest));
    let (alias, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?.parse().ok()?)),
        // An IPv6 address without brackets has several colons and no port.
        None if rest.matches(':').count() == 1 => {
            let (host, port) = rest.split_once(':')?;
            (host, Some(port.parse().ok()?))
        }
        None => (rest, None),
    };
    (!alias.is_empty()).then(|| HostSpec { alias: alias.to_owned(), user, port })
}

#[cfg(test)]
mod tests;
