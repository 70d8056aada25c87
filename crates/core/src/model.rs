//! Models: programs that read standard input and write standard output.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bound, Bounds, Dtype, Protocol, Size, Tokens};

/// A command: an argv array, or one string for `sh -c` if `shell = true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// Program and arguments; no shell parses them.
    Argv(Vec<String>),
    /// A line for `sh -c`.
    Line(String),
}

/// Parameters of a model: the schemaless row `ModelParams`, and a table `on.SERVER` of a registry file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelParams {
    /// How requests are framed; `oneshot` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Command that serves requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_command: Option<Command>,
    /// Command that trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_command: Option<Command>,
    /// Whether commands are strings for `sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<bool>,
    /// Working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_path: Option<String>,
    /// Environment variables of the model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Argv prefix of the model's commands, after that of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher: Option<Vec<String>>,
    /// Whether the processes of the model's launcher are on another machine or in a container, such as those of `kubectl exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher_remote: Option<bool>,
    /// Line that the process prints when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_token: Option<String>,
    /// Line that begins a request and a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_token: Option<String>,
    /// Line that ends a request and a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_token: Option<String>,
    /// Line that asks the process to exit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_token: Option<String>,
    /// Bound on a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Bound>,
    /// Bound on a training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_timeout: Option<Bound>,
    /// Element type of weights that a training writes without a header; `opaque` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_dtype: Option<Dtype>,
    /// Number of elements of such weights in each dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_shape: Option<Vec<u64>>,
    /// Whether the alias `current` moves to the weights that a training makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<bool>,
    /// Bound on the start, up to the ready token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_timeout: Option<Bound>,
    /// Time between TERM and KILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Bound>,
    /// Whether children that left the model's process group are left running after its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_children: Option<bool>,
    /// What a process takes of its server, by name of the resource; one of `slots` if nothing is named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, u32>,
    /// Names of the environment variables that list the units of a resource, by name of the resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resource_env: BTreeMap<String, String>,
    /// How long a process that stays up is kept after its last request; `0s`, the default, keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Bound>,
    /// Whether a kept process is never stopped to make room for another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Maximum number of kept processes on a server; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// Number of requests after which a kept process is replaced by a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u64>,
    /// Age from which on a kept process is replaced by a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Bound>,
    /// Memory of a kept local process group from which on it is replaced by a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<Size>,
    /// Bound on the whole start of a process that stays up; an hour by default. `readyTimeout` bounds its silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timeout: Option<Bound>,
    /// Bound on the wait for a free process or resource; ten minutes by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_timeout: Option<Bound>,
    /// Maximum number of requests that wait in one `mer` process; 512 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_length: Option<u32>,
    /// Bound on a run that outlives its caller; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_run_time: Option<Bound>,
    /// Keys of a newer version, which are stored and shown.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl ModelParams {
    /// Every key of a table `on.SERVER` of a model.
    pub const KEYS: &'static [&'static str] = &[
        "protocol",
        "inferenceCommand",
        "trainCommand",
        "shell",
        "modelPath",
        "env",
        "launcher",
        "launcherRemote",
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
        "needs",
        "resourceEnv",
        "keepalive",
        "pinned",
        "instances",
        "maxRequests",
        "maxAge",
        "maxMemory",
        "startTimeout",
        "queueTimeout",
        "queueLength",
        "maxRunTime",
    ];

    /// Returns these parameters, overridden by those that `over` sets. Environments are merged name by name; needs are
    /// replaced as a whole.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
        macro_rules! pick {
            ($($field:ident),* $(,)?) => {
                Self {
                    env: merged(&self.env, &over.env),
                    needs: if over.needs.is_empty() { self.needs.clone() } else { over.needs.clone() },
                    resource_env: merged(&self.resource_env, &over.resource_env),
                    extra: merged(&self.extra, &over.extra),
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
            launcher_remote,
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
            keepalive,
            pinned,
            instances,
            max_requests,
            max_age,
            max_memory,
            start_timeout,
            queue_timeout,
            queue_length,
            max_run_time,
        )
    }

    /// Whether a process is kept after its request, for further calls.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.protocol().stays_up() && self.keepalive.is_some_and(|keepalive| keepalive != Bound::secs(0))
    }

    /// Returns the protocol, `oneshot` by default.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or_default()
    }

    /// Returns the marker lines: those that are set, or the defaults of the protocol.
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

    /// Returns the bounds of a run: those that are set, or MER's defaults.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let defaults = Bounds::default();
        Bounds {
            timeout: self.timeout.unwrap_or(defaults.timeout),
            ready_timeout: self.ready_timeout.unwrap_or(defaults.ready_timeout),
            start_timeout: self.start_timeout.unwrap_or(defaults.start_timeout),
            grace: self.grace.and_then(Bound::duration).unwrap_or(defaults.grace),
        }
    }
}

/// Returns both maps as one, in which `over` wins.
fn merged<T: Clone>(under: &BTreeMap<String, T>, over: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    under.iter().chain(over).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A model in a registry file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelSpec {
    /// Names of the servers that it runs on, in the order in which they are tried. Empty means `local`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Its parameters.
    #[serde(flatten)]
    pub params: ModelParams,
    /// Parameters that differ on one server, by name of the server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub on: BTreeMap<String, ModelParams>,
}

impl ModelSpec {
    /// The keys of a model's table besides [`ModelParams::KEYS`].
    pub const OWN_KEYS: &'static [&'static str] = &["servers", "on"];

    /// Returns the parameters on one server.
    #[must_use]
    pub fn on_server(&self, server: &str) -> ModelParams {
        match self.on.get(server) {
            Some(over) => self.params.overlaid(over),
            None => self.params.clone(),
        }
    }

    /// Returns the names of the servers in the order in which they are tried; `local` if none is set.
    #[must_use]
    pub fn servers(&self) -> Vec<&str> {
        if self.servers.is_empty() {
            vec![crate::LOCAL_SERVER]
        } else {
            self.servers.iter().map(String::as_str).collect()
        }
    }

    /// Returns those of its servers that may serve a request, which may be restricted to one of them.
    pub fn servers_within(&self, pinned: Option<&str>) -> impl Iterator<Item = &str> {
        self.servers().into_iter().filter(move |name| pinned.is_none_or(|pinned| pinned == *name))
    }
}

/// A model in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Generated by the database.
    pub uid: String,
    /// Unique name.
    pub name: String,
    /// Time of registration.
    #[serde(serialize_with = "crate::micros")]
    pub created_at: Timestamp,
    /// Time of the last change.
    #[serde(serialize_with = "crate::micros")]
    pub last_updated: Timestamp,
    /// Its servers and parameters.
    #[serde(flatten)]
    pub spec: ModelSpec,
}

impl Model {
    /// Checks uid and times. Name and parameters are checked by [`crate::Registry::check`].
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(&self) -> Result<(), crate::Invalid> {
        crate::valid::uid("uid", &self.uid)?;
        crate::valid::time("createdAt", self.created_at)?;
        crate::valid::time("lastUpdated", self.last_updated)
    }
}
