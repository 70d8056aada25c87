//! Starts a resident for a model that is to be kept.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use mer_client::{Location, LocationError, steer};
use mer_core::{Classified, FailureKind};
use mer_scheduler::is_of_service_manager;
use mer_service::ResolvedModel;
use tokio::time::{Instant, sleep};

use super::{address::own_program, detach::DETACHED_FLAG};
use crate::{config::Loaded, variables::Variables};

/// How long a resident that was started on demand stays when it keeps nothing.
const IDLE_EXIT: &str = "60s";
/// Bound on the wait until a resident answers.
const START_BOUND: Duration = Duration::from_secs(5);
/// Pause between two looks for it.
const PAUSE: Duration = Duration::from_millis(3);

/// Variables of a service or a job, which would wait for the resident or end it.
const JOBS: [&str; 2] = ["INVOCATION_ID", "SLURM_JOB_ID"];

/// Why no resident was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    /// This process is not to start one: the settings say so, or a service or a job would wait for it.
    #[error("none is started from here")]
    NotFromHere,
    /// The folder of its socket cannot be used.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// Its lock or its process cannot be made.
    #[error("the resident could not be started")]
    Io(#[from] io::Error),
    /// It has ended before it answered.
    #[error("the resident that was started has ended at once ({0})")]
    Ended(ExitStatus),
    /// It does not answer in time.
    #[error("the resident that was started did not answer within {} s", START_BOUND.as_secs())]
    NoAnswer,
}

impl Classified for NotStarted {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::NotFromHere | Self::Ended(_) | Self::NoAnswer => FailureKind::Busy,
            Self::Location(error) => error.failure_kind(),
            Self::Io(_) => FailureKind::Io,
        }
    }
}

/// Starts residents.
pub(super) struct Starter {
    /// Environment of a resident; none if this process starts none.
    environment: Option<Vec<(OsString, OsString)>>,
}

impl std::fmt::Debug for Starter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starter").field("starts", &self.environment.is_some()).finish()
    }
}

impl Starter {
    pub(super) fn new(loaded: &Loaded, database: &mer_dal::Settings, environment: &Variables) -> Self {
        let in_job = JOBS.iter().any(|name| environment.get(name).is_some());
        // In another folder its URL would be joined with credentials that it must not get.
        let is_foreign = loaded.database_is_local && !database.url.is_embedded();
        let starts = loaded.settings.serve && !in_job && !is_foreign && std::process::id() != 1;
        Self { environment: starts.then(|| resident_environment(loaded, environment)) }
    }

    /// Whether a resident is to be started for a request to this model.
    pub(super) fn wants(&self, model: &ResolvedModel, server: Option<&str>) -> bool {
        let spec = &model.model().spec;
        self.environment.is_some() && spec.servers_within(server).any(|name| spec.on_server(name).is_kept())
    }

    /// Starts a resident, unless another process is about to, and waits until it answers.
    ///
    /// # Errors
    /// [`NotStarted`].
    pub(super) async fn start(&self, location: &Location) -> Result<(), NotStarted> {
        let Some(environment) = &self.environment else { return Err(NotStarted::NotFromHere) };
        location.create()?;
        // One of several callers starts it; the others wait for the same resident.
        let lock = mer_files::open_lock_file(&location.lock().with_extension("start"))?;
        let lock = mer_files::try_lock(&lock)?.then_some(lock);
        let mut child = lock.is_some().then(|| spawn(environment)).transpose()?;
        let deadline = Instant::now() + START_BOUND;
        while Instant::now() < deadline {
            if steer::version(location).await.is_ok() {
                return Ok(());
            }
            // Another one may have been quicker, and answers in a moment.
            if let Some(ended) = child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                return steer::version(location).await.map(drop).map_err(|_| NotStarted::Ended(ended));
            }
            sleep(PAUSE).await;
        }
        Err(NotStarted::NoAnswer)
    }
}

/// Returns the environment of a resident: that of this process, with its settings in place of those that it was given.
fn resident_environment(loaded: &Loaded, environment: &Variables) -> Vec<(OsString, OsString)> {
    let own = environment.all().iter();
    let own = own.filter(|(name, _)| !name.to_str().is_some_and(Loaded::is_setting));
    let own = own.filter(|(name, _)| !is_of_service_manager(name.as_encoded_bytes()));
    let own = own.map(|(name, value)| (name.clone(), value.clone()));
    own.chain(loaded.variables().into_iter().map(|(name, value)| (name.into(), value))).collect()
}

fn spawn(environment: &[(OsString, OsString)]) -> io::Result<Child> {
    let program = own_program();
    let command = |stdio: fn() -> Stdio| {
        let mut command = Command::new(&program);
        if program.starts_with("/proc") {
            command.arg0("mer");
        }
        command.args(["serve", DETACHED_FLAG, "--no-dotenv", "--no-input", "--idle-exit", IDLE_EXIT]);
        command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        command
    };
    // An empty root folder may have no /dev/null. A pipe whose other end is gone is as good.
    command(Stdio::null).spawn().or_else(|_| command(Stdio::piped).spawn())
}
