//! Checks the names, references and commands of a registry.

use super::{
    content::Registry,
    error::RegistryError,
    values::{check_model, check_server, no_nul},
};
use crate::{Command, ConnType, LOCAL_SERVER, ModelParams, Protocol, ServerSpec, check_known_name, check_name};

impl Registry {
    /// Checks what the types leave open: names, references between objects, kinds of commands. `known` are the objects that
    /// exist already: models may name its servers, and its objects keep names that new ones may not have.
    ///
    /// # Errors
    /// The first error, servers before models.
    pub fn check(&self, known: &Self) -> Result<(), RegistryError> {
        for (name, server) in &self.servers {
            check_new_or_known("server", name, known.servers.contains_key(name))?;
            if name == LOCAL_SERVER && server.conn_type != ConnType::Local {
                return Err(RegistryError::LocalIsLocal);
            }
            if server.conn_type == ConnType::Ssh && server.params.host.is_none() {
                return Err(RegistryError::NoHost { server: name.clone() });
            }
            // A host that is registered already is accepted, so that other keys can be changed.
            let host = server.params.host.as_deref();
            let kept = known.servers.get(name).is_some_and(|other| other.params.host.as_deref() == host);
            if let Some((host, why)) = host.filter(|_| !kept).and_then(|host| Some((host, no_host(host)?))) {
                return Err(RegistryError::Host { server: name.clone(), host: host.to_owned(), why });
            }
            check_keys(name, server)?;
            check_server(name, &server.params)?;
        }
        for (name, model) in &self.models {
            check_new_or_known("model", name, known.models.contains_key(name))?;
            let servers = model.servers();
            for (index, server) in servers.iter().enumerate() {
                if servers[..index].contains(server) {
                    return Err(RegistryError::ServerTwice { model: name.clone(), server: (*server).to_owned() });
                }
                if *server != LOCAL_SERVER
                    && !self.servers.contains_key(*server)
                    && !known.servers.contains_key(*server)
                {
                    return Err(RegistryError::NoSuchServer { model: name.clone(), server: (*server).to_owned() });
                }
                let params = model.on_server(server);
                check_params(name, server, &params)?;
                let spec = self.servers.get(*server).or_else(|| known.servers.get(*server));
                if params.launcher_remote == Some(true) && spec.is_some_and(|spec| spec.conn_type == ConnType::Slurm) {
                    return Err(remote_launcher_on_cluster("model", name));
                }
            }
            if let Some(server) = model.on.keys().find(|server| !servers.contains(&server.as_str())) {
                return Err(RegistryError::NotOnServer { model: name.clone(), server: server.clone() });
            }
        }
        Ok(())
    }
}

/// Checks that the keys of a server apply to its `connType`.
fn check_keys(name: &str, server: &ServerSpec) -> Result<(), RegistryError> {
    let params = &server.params;
    let wrong = match server.conn_type {
        ConnType::Local => params.only_by_ssh().map(|key| (key, "connType `ssh`")),
        ConnType::Slurm if params.host.is_none() => params.only_by_login().map(|key| (key, "a login node: `host`")),
        _ => None,
    };
    if let Some((key, what)) = wrong {
        return Err(RegistryError::OnlyBySsh { server: name.to_owned(), key, what, conn_type: server.conn_type });
    }
    if params.launcher_remote == Some(true) && server.conn_type == ConnType::Slurm {
        return Err(remote_launcher_on_cluster("server", name));
    }
    match params.slurm.any_set().filter(|_| server.conn_type != ConnType::Slurm) {
        Some(key) => Err(RegistryError::OnlyBySlurm { server: name.to_owned(), key, conn_type: server.conn_type }),
        None => Ok(()),
    }
}

fn remote_launcher_on_cluster(object: &'static str, name: &str) -> RegistryError {
    let what = "is set, and the processes of a cluster are held by their jobs".to_owned();
    RegistryError::Value { object, name: name.to_owned(), key: "launcherRemote", what }
}

fn check_new_or_known(object: &'static str, name: &str, is_known: bool) -> Result<(), RegistryError> {
    let checked = if is_known { check_known_name(name) } else { check_name(name) };
    checked.map_err(|source| RegistryError::Name { object, source })
}

/// Returns why a text is no host. A name, an address and an alias of the SSH configuration are hosts.
fn no_host(host: &str) -> Option<&'static str> {
    // For a NUL there is a separate error.
    let odd = |c: char| c.is_whitespace() || (c.is_control() && c != '\0') || matches!(c, '/' | '[' | ']');
    if host.contains("://") {
        Some("a URL is not taken apart; write `host`, `user` and `port`")
    } else if host.contains('@') {
        Some("the user is a key of its own; write `user`")
    } else if host.matches(':').count() == 1 {
        Some("the port is a key of its own; write `port`")
    } else if host.is_empty() || host.starts_with('-') || host.contains(odd) {
        Some("write a name, an address, or an alias of ~/.ssh/config")
    } else {
        None
    }
}

fn check_params(model: &str, server: &str, params: &ModelParams) -> Result<(), RegistryError> {
    let shell = params.shell.unwrap_or(false);
    let kind = |what: String| RegistryError::CommandKind { model: model.to_owned(), what };
    if params.inference_command.is_none() {
        return Err(RegistryError::NoCommand { model: model.to_owned(), server: server.to_owned() });
    }
    for (key, command) in [("inferenceCommand", &params.inference_command), ("trainCommand", &params.train_command)] {
        match command {
            Some(Command::Argv(argv)) if argv.first().is_none_or(String::is_empty) => {
                return Err(kind(format!("`{key}` names no program")));
            }
            Some(Command::Argv(_)) if shell => {
                return Err(kind(format!("with `shell = true`, `{key}` is one string for `sh -c`, not an array")));
            }
            Some(Command::Line(_)) if !shell => {
                return Err(kind(format!("`{key}` is an array of arguments; one string needs `shell = true`")));
            }
            _ => {}
        }
    }
    check_texts(model, params)?;
    check_model(model, params)?;
    let tokens = params.tokens();
    let mut marks = vec![("readyToken", tokens.ready), ("exitToken", tokens.exit)];
    if params.protocol() == Protocol::Token {
        marks.extend([("startToken", Some(tokens.start)), ("stopToken", Some(tokens.stop))]);
    }
    match marks.iter().find(|(_, mark)| mark.as_ref().is_some_and(|m| m.is_empty() || m.contains(['\n', '\r']))) {
        Some((key, _)) => Err(RegistryError::Token { model: model.to_owned(), key }),
        None => Ok(()),
    }
}

/// Checks that arguments, environment and folder of a process have no NUL: the system ends a text there.
fn check_texts(model: &str, params: &ModelParams) -> Result<(), RegistryError> {
    for (key, command) in [("inferenceCommand", &params.inference_command), ("trainCommand", &params.train_command)] {
        match command {
            Some(Command::Argv(words)) => no_nul("model", model, key, words)?,
            Some(Command::Line(line)) => no_nul("model", model, key, [line])?,
            None => {}
        }
    }
    no_nul("model", model, "modelPath", &params.model_path)?;
    no_nul("model", model, "launcher", params.launcher.iter().flatten())?;
    for (name, value) in &params.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(RegistryError::Variable { model: model.to_owned(), name: name.clone() });
        }
        no_nul("model", model, &format!("env.{name}"), [value])?;
    }
    Ok(())
}
