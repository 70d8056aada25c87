//! The registry: which servers and models there are. What `mer apply` reads and `mer export` writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod texts;
mod values;

pub use texts::OddText;

use crate::{
    Command, ConnType, Model, ModelParams, ModelSpec, NameError, Protocol, Server, ServerSpec, check_known_name,
    check_name,
};

/// The server that always exists: this machine.
pub const LOCAL_SERVER: &str = "local";

/// Servers and models by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// Servers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, ServerSpec>,
    /// Models by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelSpec>,
}

/// What is wrong with a registry, object by object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A server or model has a name that commands cannot carry.
    #[error("a {object} has a name that cannot be used")]
    Name {
        /// `server` or `model`.
        object: &'static str,
        /// The rule that the name breaks.
        source: NameError,
    },
    /// The server `local` is this machine and nothing else.
    #[error("server `local` is this machine: its connType is `local`")]
    LocalIsLocal,
    /// A server reached by SSH has no host.
    #[error("server `{server}` has connType `ssh` and no `host`")]
    NoHost {
        /// The server.
        server: String,
    },
    /// A server that is this machine has what only one reached by SSH has.
    #[error("server `{server}` has `{key}`, which is for connType `ssh`, and its connType is `local`")]
    OnlyBySsh {
        /// The server.
        server: String,
        /// The key in its table.
        key: &'static str,
    },
    /// A model names a server that does not exist.
    #[error("model `{model}` names the server `{server}`, which does not exist")]
    NoSuchServer {
        /// The model.
        model: String,
        /// The server.
        server: String,
    },
    /// What stands for a host is none.
    #[error("server `{server}`: `host = {host:?}` is no host: {why}")]
    Host {
        /// The server.
        server: String,
        /// What stands there.
        host: String,
        /// What is wrong, and how it is written.
        why: &'static str,
    },
    /// A model names a server more than once.
    #[error("model `{model}` names the server `{server}` twice in `servers`")]
    ServerTwice {
        /// The model.
        model: String,
        /// The server.
        server: String,
    },
    /// A table `on.SERVER` is for a server that the model does not run on.
    #[error("model `{model}` has settings `on.{server}`, but does not run on `{server}`")]
    NotOnServer {
        /// The model.
        model: String,
        /// The server.
        server: String,
    },
    /// A model cannot be run, because no command is given for a server.
    #[error("model `{model}` has no `inferenceCommand` on server `{server}`")]
    NoCommand {
        /// The model.
        model: String,
        /// The server.
        server: String,
    },
    /// A command is of the wrong kind for `shell`.
    #[error("model `{model}`: {what}")]
    CommandKind {
        /// The model.
        model: String,
        /// What is wrong, and how it is written.
        what: String,
    },
    /// A marker line that no line can equal.
    #[error("model `{model}`: `{key}` must be one line that is not empty")]
    Token {
        /// The model.
        model: String,
        /// The key.
        key: &'static str,
    },
    /// A variable of a name that no environment can hold.
    #[error("model `{model}`: `env` names a variable {name:?}; a name is not empty, and has no `=` and no NUL in it")]
    Variable {
        /// The model.
        model: String,
        /// The variable.
        name: String,
    },
    /// A value that its key cannot have.
    #[error("{object} `{name}`: `{key}` {what}")]
    Value {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        what: String,
    },
    /// A text that no program can be given.
    #[error("{object} `{name}`: `{key}` has a NUL in it, which no program can be given")]
    Nul {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
}

impl RegistryError {
    /// What it is about: `server` or `model`, and its name.
    #[must_use]
    pub fn object(&self) -> (&'static str, &str) {
        match self {
            Self::Name { object, source } => (object, source.name()),
            Self::LocalIsLocal => ("server", LOCAL_SERVER),
            Self::NoHost { server } | Self::OnlyBySsh { server, .. } | Self::Host { server, .. } => ("server", server),
            Self::Nul { object, name, .. } | Self::Value { object, name, .. } => (object, name),
            Self::NoSuchServer { model, .. }
            | Self::ServerTwice { model, .. }
            | Self::NotOnServer { model, .. }
            | Self::NoCommand { model, .. }
            | Self::CommandKind { model, .. }
            | Self::Token { model, .. }
            | Self::Variable { model, .. } => ("model", model),
        }
    }
}

impl Registry {
    /// The registry that consists of these.
    #[must_use]
    pub fn of(servers: &[Server], models: &[Model]) -> Self {
        Self {
            servers: servers.iter().map(|server| (server.name.clone(), server.spec.clone())).collect(),
            models: models.iter().map(|model| (model.name.clone(), model.spec.clone())).collect(),
        }
    }

    /// Checks what the file format alone cannot: names, links between objects, kinds of commands. `known` is what exists
    /// beside this registry: its servers may be named, and what has a name already may keep it.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order servers, models.
    pub fn check(&self, known: &Self) -> Result<(), RegistryError> {
        for (name, server) in &self.servers {
            check_new_or_known("server", name, known.servers.contains_key(name))?;
            if name == LOCAL_SERVER && server.conn_type != ConnType::Local {
                return Err(RegistryError::LocalIsLocal);
            }
            if server.conn_type == ConnType::Ssh && server.params.host.is_none() {
                return Err(RegistryError::NoHost { server: name.clone() });
            }
            // One that is there already stays, so that the rest can be changed.
            let host = server.params.host.as_deref();
            let kept = known.servers.get(name).is_some_and(|other| other.params.host.as_deref() == host);
            if let Some((host, why)) = host.filter(|_| !kept).and_then(|host| Some((host, no_host(host)?))) {
                return Err(RegistryError::Host { server: name.clone(), host: host.to_owned(), why });
            }
            if server.conn_type == ConnType::Local
                && let Some(key) = server.params.only_by_ssh()
            {
                return Err(RegistryError::OnlyBySsh { server: name.clone(), key });
            }
            values::check_server(name, &server.params)?;
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
                check_params(name, server, &model.on_server(server))?;
            }
            if let Some(server) = model.on.keys().find(|server| !servers.contains(&server.as_str())) {
                return Err(RegistryError::NotOnServer { model: name.clone(), server: server.clone() });
            }
        }
        Ok(())
    }
}

fn check_new_or_known(object: &'static str, name: &str, is_known: bool) -> Result<(), RegistryError> {
    let checked = if is_known { check_known_name(name) } else { check_name(name) };
    checked.map_err(|source| RegistryError::Name { object, source })
}

/// Why a text is no host: a name, an address, or an alias of the SSH configuration is one.
fn no_host(host: &str) -> Option<&'static str> {
    // A NUL has an error of its own.
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
    values::check_model(model, params)?;
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

/// What becomes arguments, environment or folder of a process ends at a NUL, so it can have none.
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

fn no_nul<'a>(
    object: &'static str,
    name: &str,
    key: &str,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<(), RegistryError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(RegistryError::Nul { object, name: name.to_owned(), key: key.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
