//! Looks at what a launcher leads to.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use mer_core::{Exit, RunSpec};

use super::{LauncherError, executor::LauncherExecutor};
use crate::{
    StartError,
    captured::{captured, short_command},
};

/// What was found behind a launcher.
#[derive(Debug)]
pub struct LauncherPing {
    /// How long it took.
    pub took: Duration,
    /// The user and the machine that processes run on, or why none can be started.
    pub found: Result<String, StartError>,
}

/// Prints the user and the name of the machine.
const IDENTITY: &str = r#"echo "$(id -un 2>/dev/null || id -u)@$(uname -n)""#;
/// Prints the path of the program `$1`.
const PATH: &str = r#"command -v "$1""#;

impl LauncherExecutor {
    /// Starts a process that does nothing, under guard as each of them.
    pub(crate) async fn ping(&self) -> LauncherPing {
        let begin = Instant::now();
        let spec = short_command(["sh", "-c", IDENTITY].map(str::to_owned).into());
        let found = match Box::pin(self.start(&spec, None)).await {
            Ok(run) => Ok(captured(run, &spec.bounds).await.stdout.trim().to_owned()),
            Err(error) => Err(error),
        };
        LauncherPing { took: begin.elapsed(), found }
    }

    /// Returns the file that the command names behind the launcher.
    pub(crate) async fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        let program = spec.argv.first().filter(|program| !program.is_empty()).ok_or(StartError::NoCommand)?;
        let query = short_command(["sh", "-c", PATH, "mer", program].map(str::to_owned).into());
        let query = RunSpec { cwd: spec.cwd.clone(), env: spec.env.clone(), ..query };
        let run = Box::pin(self.start(&query, None)).await?;
        let told = captured(run, &query.bounds).await;
        if told.succeeded {
            return Ok(PathBuf::from(told.stdout.trim_end_matches('\n')));
        }
        match told.exit {
            Some(Exit::Code(_)) => {
                let searched = format!("the PATH and the files of `{}`", self.config().server);
                Err(StartError::NotFound { command: program.clone(), searched })
            }
            _ => Err(LauncherError::CutOff { launcher: self.program(), detail: String::new() }.into()),
        }
    }
}
