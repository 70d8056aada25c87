//! Domain types of MER: servers, models, protocols, accesses, run specifications and kinds of failure.
//!
//! This crate does no I/O, starts no thread, reads no environment and knows no database: everything here is data
//! and the rules about that data. Every other crate depends on it, and it depends on none of them.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod access;
mod bound;
mod causes;
mod claims;
mod failure;
mod model;
mod name;
mod ownership;
mod protocol;
mod redact;
mod registry;
mod run;
mod server;
mod shortage;
mod shown;
mod size;
mod time;
mod valid;
mod weights;

pub use access::{Access, AttemptKey, Kind, STDERR_TAIL_BYTES, Status};
pub use bound::{Bound, BoundError};
pub use causes::with_causes;
pub use claims::Claims;
pub use failure::{Classified, FailureKind};
pub use model::{Command, Model, ModelParams, ModelSpec};
pub use name::{NAME_BYTES, NameError, check_known_name, check_name, nearest};
pub use ownership::{Distrust, Ownership, is_private_group, user_name};
pub use protocol::{Protocol, Tokens};
pub use redact::{REDACTED, is_secret_name, redacted, redacted_url};
pub use registry::{LOCAL_SERVER, OddText, Registry, RegistryError};
pub use run::{Bounds, Exit, RunSpec, signal_name};
pub use server::{ConnParams, ConnType, Server, ServerSpec};
pub use shortage::{Shortage, not_started};
pub use shown::{escaped, is_invisible};
pub use size::{Size, SizeError};
pub use time::{micros, micros_where_known};
pub use valid::{Invalid, MOST_COUNTED, check_counted, check_known, check_sha256};
pub use weights::{
    Alias, AliasMove, CURRENT_ALIAS, Dtype, DtypeError, Selector, SelectorError, WeightsFormat, WeightsVersion, Which,
    check_layout,
};
