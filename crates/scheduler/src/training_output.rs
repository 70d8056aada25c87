//! The place that a training writes its weights to, on this machine or on another one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use mer_core::{Access, Bound, Exit, FailureKind, Status};
use mer_meal::{Cancel, CancelLevel, Executor, MAKE_BASE};
use tokio::sync::mpsc;

use crate::{
    Placement,
    outcome::Verdict,
    remote_shell::{RemoteScript, no_input},
    training_fetch::{EXTENSIONS, FetchError, NAME, QUEUE, SCRIPT_GRACE, fetch, reason},
};

/// Bound on making or removing a folder on another machine.
const FOLDER_BOUND: Bound = Bound::secs(30);

/// Makes a folder named `$1` and prints its path, after [`MAKE_BASE`]. Folders of trainings whose end was not observed are removed
/// after a month.
const MAKE: &str = r#"umask 077
case $2 in
'') c=${XDG_CACHE_HOME:-}
    case $c in /*) ;; *) c=${HOME:+$HOME/.cache} ;; esac
    [ -n "$c" ] && b=$c/mer/training || b=${TMPDIR:-/tmp}/mer-$(id -u)/training ;;
'~') b=$HOME/training ;;
'~/'*) b=$HOME/${2#??}/training ;;
*) b=$2/training ;;
esac
mer_make "$b" || exit 1
find "$b" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null
mkdir "$b/$1" && printf %s "$b/$1"
"#;

/// Removes the folder `$1`.
const CLEAR: &str = "rm -rf \"$1\"";

/// The folder that a training writes to.
#[derive(Debug)]
pub(crate) enum TrainingOutput {
    /// On this machine.
    Local(PathBuf),
    /// On another machine. What is in it is fetched into the local folder `scratch`.
    Remote { executor: Executor, folder: String, scratch: PathBuf },
}

impl TrainingOutput {
    /// Makes the folder. `scratch` is an empty folder of this machine.
    pub(crate) async fn prepare(
        access: &Access,
        executor: &Executor,
        placement: &Placement,
        scratch: &Path,
        cancel: &Cancel,
    ) -> Result<Self, Verdict> {
        if placement.is_here() {
            return Ok(Self::Local(scratch.to_owned()));
        }
        let name = format!("{}-{}", access.request_uid, access.attempt);
        let arguments = vec![name, placement.conn.cache_dir.clone().unwrap_or_default()];
        let text = format!("{MAKE_BASE}{MAKE}");
        let script = RemoteScript { text: &text, name: "sh", arguments, timeout: FOLDER_BOUND, grace: SCRIPT_GRACE };
        let script = script.start(executor).await.map_err(|error| Verdict::not_started(&access.server, &error))?;
        let (ended, answer) = script.answer(no_input(), None, cancel).await;
        let folder = String::from_utf8(answer).unwrap_or_default();
        if cancel.level() != CancelLevel::None {
            return Err(Verdict::cancelled_before());
        }
        if ended.exit != Some(Exit::Code(0)) || !folder.starts_with('/') {
            let why = format!("cannot make a folder for the weights on `{}`{}", access.server, reason(&ended));
            return Err(Verdict::new(Status::Failed, FailureKind::Io, why));
        }
        Ok(Self::Remote { executor: executor.clone(), folder, scratch: scratch.to_owned() })
    }

    /// Returns the path that the model gets.
    pub(crate) fn path(&self) -> OsString {
        match self {
            Self::Local(folder) => folder.join(NAME).into_os_string(),
            Self::Remote { folder, .. } => format!("{folder}/{NAME}").into(),
        }
    }

    /// Returns the file on this machine, fetched from the other one if necessary; nothing if the model wrote none.
    pub(crate) async fn fetch(&self, cancel: &Cancel) -> Result<Option<PathBuf>, FetchError> {
        match self {
            Self::Local(folder) => {
                let mut files = EXTENSIONS.iter().map(|extension| folder.join(format!("{NAME}{extension}")));
                // A folder is returned too: reading it fails with a clear error, and it is not removed as if it were nothing.
                Ok(files.find(|file| file.is_file() || file.is_dir()))
            }
            Self::Remote { executor, folder, scratch } => {
                // A second transfer may succeed where the first was damaged.
                match fetch((executor, &BTreeMap::new()), folder, scratch, cancel).await {
                    Err(FetchError::Differs) => fetch((executor, &BTreeMap::new()), folder, scratch, cancel).await,
                    done => done,
                }
            }
        }
    }

    /// Removes the folder on another machine, if that machine can be reached. `status` is that of the run.
    pub(crate) async fn clear(&self, status: Status) {
        let Self::Remote { executor, folder, .. } = self else { return };
        // After a lost connection the folder stays until a later training removes it.
        if status == Status::Unreachable {
            return;
        }
        let arguments = vec![folder.clone()];
        let script = RemoteScript { text: CLEAR, name: "sh", arguments, timeout: FOLDER_BOUND, grace: SCRIPT_GRACE };
        match script.start(executor).await {
            Ok(script) => {
                // The receiver stays open: a closed one would end the script.
                let (stdout, _receiver) = mpsc::channel(QUEUE);
                script.forward(stdout, &Cancel::new()).await;
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the folder of a training was not removed");
            }
        }
    }
}
