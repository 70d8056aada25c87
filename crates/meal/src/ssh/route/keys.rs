//! The keys and methods to log in with, and the variables to send.

use std::{collections::BTreeMap, path::PathBuf};

use mer_core::ConnParams;

use super::expand::Expand;
use crate::ssh::{
    SshEnvironment,
    config::{Settings, matches_pattern},
    target::{Identity, Method, Origin},
};

/// The key files that are used by default, in OpenSSH's order.
const USUAL_KEYS: [&str; 5] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/// The keys to log in with.
pub(super) struct Keys {
    pub(super) identities: Vec<Identity>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) agent: Option<PathBuf>,
    /// Whether the agent is the usual one.
    pub(super) is_usual_agent: bool,
    /// Whether only the named keys are offered.
    pub(super) only: bool,
}

pub(super) fn keys(params: &ConnParams, settings: &Settings, expand: &Expand<'_>) -> Result<Keys, String> {
    let mut identities = Vec::new();
    if let Some(file) = &params.identity_file {
        identities.push(Identity { path: expand.path(file)?, origin: Origin::Registry });
    }
    // The configuration disables keys, and the registry names one: the registry wins.
    let forbidden = settings.pubkey == Some(false);
    let is_usual_agent = is_usual_agent(settings);
    if forbidden {
        let agent = agent(settings, expand)?;
        return Ok(Keys { identities, certificates: Vec::new(), agent, is_usual_agent, only: true });
    }
    let named = |file: &&String| !file.eq_ignore_ascii_case("none");
    for file in settings.identity_files.iter().filter(named) {
        let path = expand.path(file)?;
        if !identities.iter().any(|other| other.path == path) {
            identities.push(Identity { path, origin: Origin::Config });
        }
    }
    if params.identity_file.is_none() && settings.identity_files.is_empty() {
        let usual = expand.environment.folder.iter().flat_map(|folder| USUAL_KEYS.map(|name| folder.join(name)));
        identities.extend(usual.map(|path| Identity { path, origin: Origin::Usual }));
    }
    let certificates = settings.certificate_files.iter().filter(named).map(|file| expand.path(file));
    Ok(Keys {
        identities,
        certificates: certificates.collect::<Result<_, _>>()?,
        agent: agent(settings, expand)?,
        is_usual_agent,
        only: settings.identities_only.unwrap_or(false),
    })
}

/// The socket of the agent: a path, `$NAME` (a variable with the path), `SSH_AUTH_SOCK`, or `none`.
fn agent(settings: &Settings, expand: &Expand<'_>) -> Result<Option<PathBuf>, String> {
    let environment = expand.environment;
    Ok(match settings.identity_agent.as_deref() {
        Some(text) if text.eq_ignore_ascii_case("none") => None,
        _ if is_usual_agent(settings) => environment.agent.clone(),
        None => None,
        Some(text) => match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            // As in OpenSSH, an unset variable means no agent.
            Some(name) => environment.variables.get(name).filter(|path| !path.is_empty()).map(PathBuf::from),
            None => Some(expand.path(text)?),
        },
    })
}

/// Whether the configuration names no other agent than the usual one.
fn is_usual_agent(settings: &Settings) -> bool {
    matches!(settings.identity_agent.as_deref(), None | Some("SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK" | "${SSH_AUTH_SOCK}"))
}

/// Folders for short-lived sockets.
pub(super) fn socket_folders(environment: &SshEnvironment) -> Vec<PathBuf> {
    let named = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(|name| environment.variables.get(name));
    let named = named.filter(|folder| folder.starts_with('/')).map(PathBuf::from);
    named.chain(["/tmp", "/dev/shm"].map(PathBuf::from)).collect()
}

/// The methods in their order. Credentials of the registry are used, whatever the configuration prefers.
pub(super) fn methods(params: &ConnParams, settings: &Settings, password: bool) -> Vec<Method> {
    let usual = [Method::PublicKey, Method::KeyboardInteractive, Method::Password];
    let mut methods = match &settings.preferred_authentications {
        None => usual.to_vec(),
        Some(names) => names.iter().filter_map(|name| usual.into_iter().find(|method| method.name() == name)).collect(),
    };
    if settings.pubkey == Some(false) {
        methods.retain(|method| *method != Method::PublicKey);
    }
    let of_registry = usual.into_iter().filter(|method| match method {
        Method::PublicKey => params.identity_file.is_some(),
        Method::KeyboardInteractive | Method::Password => password,
    });
    for method in of_registry {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

/// The variables of `SendEnv` and `SetEnv`; `SetEnv` wins.
pub(super) fn variables(settings: &Settings, ours: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let sent = |name: &str| settings.send_env.iter().any(|pattern| matches_pattern(pattern, name));
    let sent = ours.iter().filter(|(name, _)| sent(name)).map(|(name, value)| (name.clone(), value.clone()));
    sent.chain(settings.set_env.iter().cloned()).collect()
}
