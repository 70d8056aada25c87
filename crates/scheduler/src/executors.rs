//! Keeps the executors of all servers for the life of the process, because they hold the connections.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use mer_core::{AccessKind, Bound, ConnParams, ConnType, ModelParams};
use mer_meal::{Executor, LauncherConfig, SlurmConfig};

use crate::{CallerEnvironment, Request, placement::Placement};

/// How long a training goes on after `mer` was last heard from, unless its server sets `orphanAfter`.
const TRAIN_ORPHAN_AFTER: Bound = Bound::secs(30 * 60);
/// The same for other processes.
const ORPHAN_AFTER: Bound = Bound::secs(30);

/// Returns the default of `orphanAfter` for a process of this kind.
pub(crate) fn orphan_after(kind: AccessKind) -> Bound {
    if kind == AccessKind::Train { TRAIN_ORPHAN_AFTER } else { ORPHAN_AFTER }
}

/// Makes the executor of a server, or of the login node of a cluster, that is reached over SSH, from its name and parameters. Cheap to clone.
#[derive(Clone)]
pub struct ExecutorFactory(Arc<Make>);

type Make = dyn Fn(&str, &ConnParams) -> Executor + Send + Sync;

impl ExecutorFactory {
    /// Makes a factory of a function that is called once for each server, and again after its parameters were changed.
    pub fn new(make: impl Fn(&str, &ConnParams) -> Executor + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl fmt::Debug for ExecutorFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExecutorFactory")
    }
}

/// The executors of this machine and of the servers.
#[derive(Debug)]
pub(crate) struct Executors {
    local: Executor,
    remote: ExecutorFactory,
    /// Environment of commands of a cluster that are called on this machine.
    environment: Arc<CallerEnvironment>,
    /// By name of the server, and whether for trainings.
    made: Mutex<HashMap<(String, bool), (ConnParams, Executor)>>,
}

impl Executors {
    pub(crate) fn new(local: Executor, remote: ExecutorFactory, environment: Arc<CallerEnvironment>) -> Self {
        Self { local, remote, environment, made: Mutex::default() }
    }

    /// Returns the executor of this machine.
    pub(crate) const fn here(&self) -> &Executor {
        &self.local
    }

    /// As [`Executors::of`], for a request whose sender lends its agent to new connections.
    pub(crate) fn for_request(&self, placement: &Placement, request: &Request<'_>) -> Executor {
        let executor = self.of(placement, request.kind);
        if let Some(requester) = &request.requester {
            executor.lend_agent(requester.agent.clone());
        }
        executor
    }

    /// Returns the executor of a server that is looked at, without a request.
    pub(crate) fn of_server(&self, server: &str, conn_type: ConnType, conn: &ConnParams) -> Executor {
        let placement =
            Placement { server: server.to_owned(), conn_type, conn: conn.clone(), params: ModelParams::default() };
        self.of(&placement, AccessKind::Infer)
    }

    /// Returns the executor of a placement. Trainings have separate connections, whose watchdogs wait longer.
    pub(crate) fn of(&self, placement: &Placement, kind: AccessKind) -> Executor {
        let machine = self.of_machine(placement, kind);
        let words = placement.launchers().remote;
        if words.is_empty() {
            return machine;
        }
        let is_called_here = placement.conn_type == ConnType::Local;
        machine.behind(LauncherConfig {
            server: placement.server.clone(),
            words,
            environment: if is_called_here { self.environment.public() } else { BTreeMap::new() },
            orphan_after: placement.conn.orphan_after.unwrap_or_else(|| orphan_after(kind)),
        })
    }

    /// Returns the executor of the machine or cluster of a placement.
    fn of_machine(&self, placement: &Placement, kind: AccessKind) -> Executor {
        if placement.conn_type == ConnType::Local {
            return self.local.clone();
        }
        let training = kind == AccessKind::Train;
        let mut params = placement.conn.clone();
        if training {
            params.orphan_after.get_or_insert(TRAIN_ORPHAN_AFTER);
        }
        // Every change is a single call, so a panic leaves the map consistent.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (placement.server.clone(), training);
        if let Some((known, executor)) = made.get(&key)
            && *known == params
        {
            return executor.clone();
        }
        let executor = match placement.conn_type {
            ConnType::Slurm => self.cluster(placement, &params),
            _ => (self.remote.0)(&placement.server, &params),
        };
        made.insert(key, (params, executor.clone()));
        executor
    }

    /// Returns the executor of a cluster, whose commands are called on this machine or on a login node.
    fn cluster(&self, placement: &Placement, params: &ConnParams) -> Executor {
        let (beside, environment) = match placement.starts_here() {
            true => (self.local.clone(), self.environment.public()),
            false => ((self.remote.0)(&placement.server, params), BTreeMap::new()),
        };
        let config = SlurmConfig { server: placement.server.clone(), params: params.slurm.clone(), environment };
        Executor::slurm(&beside, config)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mer_meal::{LocalConfig, SshConfig, SshEnvironment};

    use super::*;

    fn placement(port: u16) -> Placement {
        Placement {
            server: "gpu1".to_owned(),
            conn_type: ConnType::Ssh,
            conn: ConnParams { port: Some(port), ..ConnParams::default() },
            params: ModelParams::default(),
        }
    }

    #[test]
    fn an_executor_is_made_once_and_again_when_its_server_changes() {
        let made = Arc::new(AtomicUsize::new(0));
        let patience = Arc::new(Mutex::new(Vec::new()));
        let (count, heard) = (Arc::clone(&made), Arc::clone(&patience));
        let remote = ExecutorFactory::new(move |server, params| {
            count.fetch_add(1, Ordering::Relaxed);
            heard.lock().expect("lock").push(params.orphan_after);
            Executor::ssh(SshConfig {
                server: server.to_owned(),
                params: params.clone(),
                environment: SshEnvironment::default(),
                secrets: None,
                accept_new: false,
            })
        });
        let local = Executor::local(LocalConfig { self_exe: "mer".into(), watcher_argv: Vec::new() });
        let executors = Executors::new(local, remote, Arc::default());
        for (port, kind, expected) in [
            (22, AccessKind::Infer, 1),
            (22, AccessKind::Ping, 1),
            (23, AccessKind::Infer, 2),
            (23, AccessKind::Train, 3),
            (23, AccessKind::Infer, 3),
        ] {
            executors.of(&placement(port), kind);
            assert_eq!(made.load(Ordering::Relaxed), expected);
        }
        assert_eq!(*patience.lock().expect("lock"), [None, None, Some(TRAIN_ORPHAN_AFTER)]);
        executors.of(&Placement { conn_type: ConnType::Local, ..placement(22) }, AccessKind::Infer);
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }
}
