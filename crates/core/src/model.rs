//! Models: programs that read standard input and write standard output.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bound, Bounds, Dtype, Protocol, Tokens};

/// A command: an argv array, or (only with `shell = true`) one string for `sh -c`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// Program and arguments; no shell sees them.
    Argv(Vec<String>),
    /// A line for `sh -c`.
    Line(String),
}

/// What varies from model to model: the schemaless row `ModelParams`, and a table `on.SERVER` of a registry file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelParams {
    /// How requests are framed; `oneshot` where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The command that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_command: Option<Command>,
    /// The command that trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_command: Option<Command>,
    /// Whether commands are lines for `sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<bool>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Environment variables set for the model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Argv prefix of this model's commands, inside the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher: Option<Vec<String>>,
    /// Printed by the process when it can serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_token: Option<String>,
    /// Opens a request and a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_token: Option<String>,
    /// Closes a request and a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_token: Option<String>,
    /// Asks the process to leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_token: Option<String>,
    /// Bound on a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Bound>,
    /// Bound on a training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_timeout: Option<Bound>,
    /// The type of the elements of weights that a training writes without any header; opaque where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_dtype: Option<Dtype>,
    /// How many elements such weights have in each dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_shape: Option<Vec<u64>>,
    /// Whether what a training makes is current at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<bool>,
    /// Bound on the way to the ready token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_timeout: Option<Bound>,
    /// Time between TERM and KILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Bound>,
    /// Whether children that left the model's process group go on when it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_children: Option<bool>,
}

impl ModelParams {
    /// Every key that a table `on.SERVER` of a model may have.
    pub const KEYS: &'static [&'static str] = &[
        "protocol",
        "inferenceCommand",
        "trainCommand",
        "shell",
        "modelPath",
        "env",
        "launcher",
        "readyToken",
        "startToken",
        "stopToken",
        "exitToken",
        "timeout",
        "trainTimeout",
        "weightsDtype",
        "weightsShape",
        "promote",
        "readyTimeout",
        "grace",
        "leaveChildren",
    ];

    /// These parameters with what `over` sets laid over them. Environments are merged name by name.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
        macro_rules! pick {
            ($($field:ident),* $(,)?) => {
                Self {
                    env: self.env.iter().chain(&over.env).map(|(k, v)| (k.clone(), v.clone())).collect(),
                    $($field: over.$field.clone().or_else(|| self.$field.clone()),)*
                }
            };
        }
        pick!(
            protocol,
            inference_command,
            train_command,
            shell,
            model_path,
            launcher,
            ready_token,
            start_token,
            stop_token,
            exit_token,
            timeout,
            train_timeout,
            weights_dtype,
            weights_shape,
            promote,
            ready_timeout,
            grace,
            leave_children,
        )
    }

    /// The protocol, `oneshot` by default.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or_default()
    }

    /// The marker lines: the protocol's own, or what is set.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        let defaults = Tokens::defaults(self.protocol());
        Tokens {
            ready: self.ready_token.clone().or(defaults.ready),
            start: self.start_token.clone().unwrap_or(defaults.start),
            stop: self.stop_token.clone().unwrap_or(defaults.stop),
            exit: self.exit_token.clone().or(defaults.exit),
        }
    }

    /// The bounds of a run, MER's own where the model sets none.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let defaults = Bounds::default();
        Bounds {
            timeout: self.timeout.unwrap_or(defaults.timeout),
            ready_timeout: self.ready_timeout.unwrap_or(defaults.ready_timeout),
            grace: self.grace.and_then(Bound::duration).unwrap_or(defaults.grace),
        }
    }
}

/// A model as a registry file describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelSpec {
    /// The servers it runs on, in the order in which they are tried. Empty means `local`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// What varies.
    #[serde(flatten)]
    pub params: ModelParams,
    /// What differs on one server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub on: BTreeMap<String, ModelParams>,
}

impl ModelSpec {
    /// The keys that a model's table has beside those of [`ModelParams::KEYS`].
    pub const OWN_KEYS: &'static [&'static str] = &["servers", "on"];

    /// The parameters that hold on one server.
    #[must_use]
    pub fn on_server(&self, server: &str) -> ModelParams {
        match self.on.get(server) {
            Some(over) => self.params.overlaid(over),
            None => self.params.clone(),
        }
    }

    /// The servers in the order in which they are tried; `local` where none is named.
    #[must_use]
    pub fn servers(&self) -> Vec<&str> {
        if self.servers.is_empty() {
            vec![crate::LOCAL_SERVER]
        } else {
            self.servers.iter().map(String::as_str).collect()
        }
    }
}

/// A model as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Made by the database.
    pub uid: String,
    /// Unique.
    pub name: String,
    /// When it was registered.
    #[serde(serialize_with = "crate::micros")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::micros")]
    pub last_updated: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub spec: ModelSpec,
}

impl Model {
    /// Checks what the types of the fields leave open, but for its name and what it is: those are checked with the registry
    /// ([`crate::Registry::check`]).
    ///
    /// # Errors
    /// The first field that no model has so.
    pub fn check(&self) -> Result<(), crate::Invalid> {
        crate::valid::uid("uid", &self.uid)?;
        crate::valid::time("createdAt", self.created_at)?;
        crate::valid::time("lastUpdated", self.last_updated)
    }
}
