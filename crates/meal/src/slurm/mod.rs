//! Jobs of Slurm, by its commands (`srun`, `scancel`, `squeue`, `scontrol`, `sinfo`), from this machine or on a login node.
//!
//! A process is a step of `srun`, whose pipes are those of the process. Two scripts of POSIX sh stand around it:
//! [`scripts`] has the one that starts `srun` and ends the job if that is killed, and the one that reports from within the
//! job when the process begins and how it ended. The exit status of `srun` proves nothing, and Slurm's own word about a job
//! is only asked for where the job's script had none.
//!
//! A process has a job for itself, or it is a step of a job of a [`JobPool`], in which one process runs after the other. Such a job is
//! held by `salloc`, whose command ends with the pool.

mod allocation;
mod allocations;
mod begin;
mod capture;
mod control;
mod error;
mod executor;
mod give_back;
mod job;
mod job_pool;
mod job_report;
mod job_request;
mod job_state;
mod ping;
mod refusal;
mod report;
mod scripts;
mod start;
mod words;

pub(crate) use control::SlurmControl;
pub use error::SlurmError;
pub use executor::SlurmConfig;
pub(crate) use executor::SlurmExecutor;
pub use job::{JobEnd, JobEndKind, StartedJob};
pub use job_pool::JobPool;
pub use job_request::JobRequest;
pub(crate) use job_state::job_end_kind;
pub use ping::ClusterPing;
