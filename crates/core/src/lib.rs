//! Domain types of MER: servers, models, protocols, accesses, run specifications and kinds of failure.
//!
//! This crate does no I/O, starts no thread, reads no environment and knows no database: it holds data, and the rules for
//! that data. It depends on no other crate of the workspace.
//!
//! The central types are [`Server`] and [`Model`] (the registry), [`RunSpec`] (what is started), [`Access`] (what is recorded
//! about it) and [`WeightsVersion`]. Texts that may hold secrets go through [`redacted`].

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod access;
mod bound;
mod causes;
mod claims;
mod detached_run;
mod escape;
mod failure;
mod kept_process;
mod model;
mod name;
mod ownership;
mod protocol;
mod redact;
mod registry;
mod resources;
mod run;
mod server;
mod shortage;
mod size;
mod slurm;
mod tags;
mod time;
mod valid;
mod visible_json;
mod weights;

pub use access::{Access, AccessKind, AttemptKey, STDERR_TAIL_BYTES, Status};
pub use bound::{Bound, BoundError};
pub use causes::with_causes;
pub use claims::Claims;
pub use detached_run::{DetachedParams, DetachedRun, DetachedTraining};
pub use escape::{escaped, is_invisible};
pub use failure::{Classified, FailureKind};
pub use kept_process::{KeptProcess, ProcessState};
pub use model::{Command, Model, ModelParams, ModelSpec};
pub use name::{NAME_BYTES, NameError, check_known_name, check_name, nearest};
pub use ownership::{Distrust, Ownership, is_private_group, user_name};
pub use protocol::{Protocol, Tokens};
pub use redact::{REDACTED, is_secret_name, may_hold_secret, redacted, redacted_command_line, redacted_url};
pub use registry::{OddText, Registry, RegistryError, UnmetNeed};
pub use resources::{MOST_UNITS, ResourceAmount, SLOTS, is_resource_name};
pub use run::{Bounds, Exit, RunSpec, signal_name};
pub use server::{ConnParams, ConnType, LOCAL_SERVER, Server, ServerSpec};
pub use shortage::{Shortage, not_started};
pub use size::{Size, SizeError};
pub use slurm::SlurmParams;
pub use tags::Tags;
pub use time::{micros, micros_where_known};
pub use valid::{Invalid, MOST_COUNTED, check_counted, check_known, check_sha256};
pub use visible_json::write_visible_json;
pub use weights::{
    Alias, AliasMove, CURRENT_ALIAS, Dtype, DtypeError, Selector, SelectorError, WeightsFormat, WeightsVersion, Which,
    check_layout,
};
