//! Data access: the Store over its drivers, the lease on the embedded engine, the access journal.
//!
//! A [`Database`] is a place and touches nothing until it is asked. [`Database::session`] gives a [`Session`], through
//! which a [`Store`] is reached; for the embedded engine a session is a lease, to be kept short. [`Database::snapshot`]
//! answers what most commands want to know without any session. [`Journal`] writes accesses ahead to local files, and
//! [`drain`] moves them into the database.
//!
//! This crate knows no terminal, no environment and no configuration file. The crate `surrealdb` is named in the module
//! tree `surreal` only, `sqlx` in the module tree `postgres` only.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod batch_session;
mod database;
mod disk_fault;
mod embedded;
mod error;
mod failure_kind;
mod journal;
mod location;
mod migration_lock;
mod pages;
#[cfg(feature = "postgres")]
mod postgres;
mod registry_change;
mod registry_restore;
mod retry;
mod script_failure;
mod secret;
mod session;
mod settings;
mod store;
mod surreal;
#[cfg(feature = "postgres")]
mod tls_provider;
mod trust;
mod url_parts;
mod weights;

pub use database::Database;
pub use disk_fault::DiskFault;
pub use embedded::{Snapshot, SnapshotOrSession};
pub use error::{BoxError, DalError};
pub use journal::{
    DrainOptions, DrainReport, Drained, Durability, Elsewhere, Journal, JournalError, JournalOwner, Pending, Skipped,
    drain, flush_journal, has_orphaned_segments, keep_alive,
};
pub use location::Location;
pub use migration_lock::MigrationLock;
pub use pages::AccessPages;
#[cfg(feature = "postgres")]
pub use postgres::PostgresUrl;
pub use registry_restore::RegistryCopy;
pub use script_failure::ScriptFailure;
pub use secret::Secret;
pub use session::Session;
pub use settings::{AuthLevel, DEFAULT_WAIT, DbUrl, ServerSettings, Settings, SurrealSettings};
pub use store::{ALIVE, AccessFilter, Applied, Dialect, ScriptRun, Store};
#[cfg(feature = "surreal-server")]
pub use surreal::SurrealUrl;
pub use trust::{check_link, check_ownership};
pub use weights::{Collected, Download, NewVersion, Upload, collect_garbage};
