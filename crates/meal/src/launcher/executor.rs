//! The executor of a launcher whose processes are elsewhere.

use std::{collections::BTreeMap, ffi::OsString, sync::Arc, time::Duration};

use mer_core::{Bound, Bounds, Protocol, RunSpec, Tokens};

use crate::{Run, StartError, machine::MachineExecutor};

/// How a launcher whose processes are elsewhere is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LauncherConfig {
    /// Name of the server.
    pub server: String,
    /// The launcher: a program and its arguments, in front of every command.
    pub words: Vec<String>,
    /// Environment of the launcher on this machine; empty where it is called on another one. Its processes do not get it.
    pub environment: BTreeMap<OsString, OsString>,
    /// How long its processes live after `mer` was last heard from.
    pub orphan_after: Bound,
}

/// Clones share one configuration.
#[derive(Debug, Clone)]
pub(crate) struct LauncherExecutor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: LauncherConfig,
    /// The executor of the machine where the launcher is called.
    beside: MachineExecutor,
}

impl LauncherExecutor {
    pub(crate) fn new(beside: MachineExecutor, config: LauncherConfig) -> Self {
        Self(Arc::new(Inner { config, beside }))
    }

    pub(super) fn config(&self) -> &LauncherConfig {
        &self.0.config
    }

    /// Returns the program of the launcher.
    pub(super) fn program(&self) -> String {
        self.0.config.words.first().cloned().unwrap_or_default()
    }

    /// Returns how long its processes live without a heartbeat.
    pub(super) fn orphan_after(&self) -> Duration {
        // No bound: longer than any process lives.
        self.0.config.orphan_after.duration().unwrap_or(Duration::from_secs(365 * 86_400))
    }

    /// Calls the launcher with the words of a command behind it.
    pub(super) async fn call(&self, command: [String; 3], leave_children: bool) -> Result<Run, StartError> {
        let spec = RunSpec {
            argv: self.0.config.words.iter().cloned().chain(command).collect(),
            cwd: None,
            env: self.0.config.environment.clone(),
            protocol: Protocol::Oneshot,
            tokens: Tokens::defaults(Protocol::Oneshot),
            bounds: Bounds { grace: Duration::from_secs(1), ..Bounds::default() },
            leave_children,
        };
        self.0.beside.start(&spec, None).await
    }
}
