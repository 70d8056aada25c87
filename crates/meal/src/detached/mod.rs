//! Runs that outlive their caller: what keeps them on their machine, and how they are looked at.
//!
//! A supervisor of POSIX sh keeps a folder for each run, and nothing is installed. The files of a folder:
//!
//! | file | contains |
//! |---|---|
//! | `about` | what the run is, for a person |
//! | `env` | environment and command; removed as soon as the shell that becomes the model has opened it; a job that may run again has a copy until it is over |
//! | `input`, `stdout`, `stderr` | the streams; `input` is removed at the end |
//! | `artefacts/` | what the model keeps (`MER_RUN_DIR`) |
//! | `weights…` | what a training writes |
//! | `launcher` | pid and start time of the shell that stores the input, until the supervisor has started |
//! | `pid` | of the supervisor: pid, start time, boot id and machine |
//! | `model` | of the model: pid, which is its process group, and start time |
//! | `heartbeat` | seconds since the start; pid and start time of the process that counts them |
//! | `stop`, `maxRunTime` | why the model was told to end |
//! | `end` | the exit status, written last and whole |
//! | `collected` | says that the end is on record |

mod command;
mod job_scripts;
mod observation;
mod requeue_scripts;
mod scripts;
mod supervisor;

pub use command::detached_command;
pub use observation::{
    DetachedEnd, DetachedState, EndedBy, Observation, RequeuedRun, RunFolder, SeenRun, SupervisorId, observations,
};
pub use scripts::{
    FOLLOW, HASH, LOOK, MARK_COLLECTED, REMOVE, RunsSurvey, SEND_FILES, SIGNAL, Script, survey, survey_script,
};
pub use supervisor::{Launched, end_of_input, launch_script, launched};
