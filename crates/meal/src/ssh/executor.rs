//! The executor of one SSH server.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mer_core::RunSpec;

use super::{SshConfig, SshError, pool::Pool, route::route, run};
use crate::{Run, StartError, local::Holder};

/// How long remote processes live without a heartbeat, and how long a session lives without a run.
const ORPHAN_AFTER: Duration = Duration::from_secs(30);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// Default for the maximum number of connections to one server. sshd's default lets ten wait for authentication.
const MAX_SESSIONS: u32 = 4;
/// How long a script that answers at once may take.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

/// Clones share one pool. Reads files and connects at the first use only.
#[derive(Clone)]
pub(crate) struct SshExecutor(Arc<Inner>);

struct Inner {
    config: SshConfig,
    pool: OnceLock<Result<Arc<Pool>, SshError>>,
}

impl SshExecutor {
    pub(crate) fn new(config: SshConfig) -> Self {
        Self(Arc::new(Inner { config, pool: OnceLock::new() }))
    }

    pub(crate) async fn start(&self, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
        let pool = self.pool()?;
        run::start(&pool, spec, holder).await
    }

    /// Returns the file that the command names on the server.
    pub(crate) async fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        let pool = self.pool()?;
        let line = run::path_query(spec)?;
        let mut shell = run::Shell::open(&pool, false).await?;
        let ask = async {
            let answer = shell.run_line(&pool, &line).await?;
            run::check(&pool, spec, &answer)?;
            let mut found = Vec::new();
            while let Ok(Some(bytes)) = shell.pipes.stdout.next().await {
                found.extend_from_slice(&bytes);
            }
            Ok(PathBuf::from(String::from_utf8_lossy(&found).trim_end_matches('\n')))
        };
        let late = || SshError::StartTimedOut { host: pool.host(), after: ANSWER_BOUND }.into();
        tokio::time::timeout(ANSWER_BOUND, ask).await.unwrap_or_else(|_| Err(late()))
    }

    pub(crate) async fn connect(&self) -> Result<(), SshError> {
        self.pool()?.connect().await
    }

    /// Uses this agent for new connections.
    pub(crate) fn lend_agent(&self, agent: Option<PathBuf>) {
        if let Ok(pool) = self.pool() {
            pool.lend_agent(agent);
        }
    }

    /// What the SSH configuration requests and MER does not do.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.pool().map(|pool| pool.route.warnings.clone()).unwrap_or_default()
    }

    pub(super) fn pool(&self) -> Result<Arc<Pool>, SshError> {
        let make = || {
            let params = &self.0.config.params;
            let route = Arc::new(route(&self.0.config)?);
            let orphan_after = params.orphan_after.map_or(ORPHAN_AFTER, |bound| {
                // No bound: longer than any process lives.
                bound.duration().unwrap_or(Duration::from_secs(365 * 86_400))
            });
            let most = params.max_sessions.unwrap_or(MAX_SESSIONS);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let secrets = self.0.config.secrets.clone();
            Ok(Arc::new(Pool::new(route, secrets, orphan_after, IDLE_AFTER, most)))
        };
        self.0.pool.get_or_init(make).clone()
    }

    pub(super) fn server(&self) -> &str {
        &self.0.config.server
    }
}

impl fmt::Debug for SshExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SshExecutor").field(&self.0.config).finish()
    }
}
