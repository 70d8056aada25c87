//! Model execution: processes, their pipes, their protocols, and their end.
//!
//! [`Executor::start`] turns a `RunSpec` into a [`Run`]: three pipes and a [`Control`], the same for local and remote
//! processes. [`oneshot`] and [`WarmProcess`] speak the protocols over a run. This crate reads no environment, no
//! settings and no terminal, and knows no database.
//!
//! Dropping a [`Control`] kills its process group. Dropping a [`WarmProcess`] does the same, without asking it to
//! exit first as [`WarmProcess::stop`] does.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod base_folder;
mod buffers;
mod cancel;
mod captured;
mod control;
mod detached;
mod error;
mod executor;
mod exit_marker;
mod held;
mod launcher;
mod local;
mod machine;
mod machine_control;
mod noise;
mod pipe;
mod protocol;
mod request_end;
mod run;
mod shell_words;
mod slurm;
mod ssh;
mod stderr_relay;
mod tail;
mod watcher;

pub use base_folder::{MAKE_BASE, OWN_CHECK};
pub use buffers::Buffers;
pub use cancel::{Cancel, CancelLevel};
pub use control::Control;
pub use detached::{
    DetachedEnd, DetachedState, EndedBy, FOLLOW, HASH, LOOK, Launched, MARK_COLLECTED, Observation, REMOVE,
    RequeuedRun, RunFolder, RunsSurvey, SEND_FILES, SIGNAL, Script, SeenRun, SupervisorId, detached_command,
    end_of_input, launch_script, launched, observations, survey, survey_script,
};
pub use error::{InputError, StartError, WarmError};
pub use executor::Executor;
pub use held::{Held, inherited_descriptors};
pub use launcher::{LauncherConfig, LauncherError, LauncherPing};
pub use local::{LocalConfig, group_memory, ignored_signals, reap_orphans};
pub use pipe::{Pipe, StdinPipe};
pub use protocol::{
    Input, ItemReply, PartEnd, PartItems, PartReplies, PartRequest, SentHook, Sinks, StderrHook, WarmProcess,
    check_input, oneshot, until,
};
pub use request_end::{BoundName, EndCause, RequestEnd};
pub use run::Run;
pub use slurm::{ClusterPing, JobEnd, JobEndKind, JobPool, JobRequest, SlurmConfig, SlurmError, StartedJob};
pub use ssh::{PingReport, PingStep, SecretRequest, SecretSource, SshConfig, SshEnvironment, SshError, StepKind};
pub use watcher::{WATCH_VARIABLE, watcher_main};
