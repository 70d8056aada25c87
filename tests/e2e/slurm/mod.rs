//! Models as jobs of Slurm, through the whole program, on a cluster of one node; called from this machine, and through a
//! login node, which a temporary `sshd` stands for.

mod batches;
mod cut;
mod detached;
mod ends;
mod kept;
mod laptop;
mod login;
mod refused;
mod requeued;
mod runs;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use mer_testkit::slurm::Cluster;

use crate::support::{Live, Ran, TestEnv, run};

/// Models on the server `cluster`. `@` is a folder that jobs can use.
const MODELS: &str = include_str!("models.toml");

/// How long Slurm may take to end a job, on a loaded machine.
const SOON: Duration = Duration::from_secs(40);

/// A `mer` with a cluster that is registered as `cluster`.
struct Home {
    env: TestEnv,
    cluster: Cluster,
}

impl Home {
    /// Returns none where Slurm is not installed.
    fn new() -> Option<Self> {
        let cluster = Cluster::start()?;
        let home = Self { env: TestEnv::ready(), cluster };
        fs::create_dir(home.folder()).expect("a folder");
        home.apply("[servers.cluster]\nconnType = 'slurm'\n");
        Some(home)
    }

    /// A folder that jobs can use.
    fn folder(&self) -> PathBuf {
        self.cluster.shared().join("work")
    }

    /// Registers these servers, and the models on `cluster`.
    #[track_caller]
    fn apply(&self, servers: &str) {
        let models = MODELS.replace('@', self.folder().to_str().expect("text"));
        self.env.apply(format!("{servers}\n{models}"));
    }

    /// Returns `mer` with these arguments, which finds the cluster.
    fn with<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = self.env.with(args);
        command.env("SLURM_CONF", self.cluster.conf()).env("MER_RUNTIME_DIR", self.env.path("runtime"));
        command
    }

    /// Runs `mer`.
    #[track_caller]
    fn mer<const N: usize>(&self, args: [&str; N]) -> Ran {
        run(self.with(args))
    }

    /// Starts `mer` with an open standard input.
    fn start<const N: usize>(&self, args: [&str; N]) -> Live {
        Live::start(self.with(args), std::process::Stdio::piped())
    }

    /// The newest access.
    #[track_caller]
    fn newest(&self) -> serde_json::Value {
        self.env.rows().into_iter().next().expect("an access")
    }
}
