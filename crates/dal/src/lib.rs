//! Data access: open databases, the lease on the embedded engine, the journal of accesses.
//!
//! A [`Database`] is made from its settings and touches nothing until it is asked. [`Database::session`] opens it and
//! returns a [`Session`], through which a [`Store`] is reached; on the embedded engine a session is a lease, to be kept
//! short. [`Database::snapshot`] answers what most commands need without a session. [`Journal`] writes accesses ahead to
//! local files, and [`drain`] moves them into the database.
//!
//! This crate knows no terminal, no environment and no configuration file. The crate `surrealdb` is named in the module
//! tree `surreal` only, `sqlx` in the module tree `postgres` only.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod access_batch;
mod access_filter;
mod access_prune;
mod access_report;
mod access_scan;
mod access_stats;
mod auth_level;
mod backend;
mod batch_session;
mod database;
mod db_url;
mod disk_fault;
mod embedded;
mod error;
mod failure_kind;
mod journal;
mod location;
mod migration_lock;
mod migration_script;
mod next_attempt;
mod pages;
#[cfg(feature = "postgres")]
mod postgres;
mod registry_change;
mod registry_restore;
mod retry;
mod script_failure;
mod script_statements;
mod secret;
mod session;
mod settings;
mod store;
mod surreal;
#[cfg(feature = "postgres")]
mod tls_provider;
mod trust;
mod unit_claim;
mod url_parts;
mod weights;

pub use access_filter::{AccessFilter, WeightsFilter};
pub use access_prune::{PruneRange, Pruned, prune};
pub use access_report::{BatchCount, LatencyGroup, LogSummary, ReportRange, ReportReader, VersionCount};
pub use access_scan::AccessScan;
pub use access_stats::{Quantiles, StatsBy, StatsKey, StatsReader, StatsRow};
pub use auth_level::AuthLevel;
pub use database::Database;
pub use db_url::DbUrl;
pub use disk_fault::DiskFault;
pub use embedded::Snapshot;
pub use error::{BoxError, DalError};
pub use journal::{
    DrainOptions, DrainReport, Drained, Durability, Elsewhere, Journal, JournalError, JournalOwner, Pending, Skipped,
    drain, flush_journal, has_orphaned_segments, keep_alive,
};
pub use location::Location;
pub use migration_lock::MigrationLock;
pub use migration_script::{Applied, Dialect, ScriptRun};
pub use next_attempt::NextAttempt;
pub use pages::AccessPages;
#[cfg(feature = "postgres")]
pub use postgres::PostgresUrl;
pub use registry_restore::RegistryCopy;
pub use script_failure::ScriptFailure;
pub use secret::Secret;
pub use session::{Session, SnapshotOrSession};
pub use settings::{DEFAULT_WAIT, ServerSettings, Settings, SurrealSettings};
pub use store::{HEARTBEAT_TTL, Store};
#[cfg(feature = "surreal-server")]
pub use surreal::SurrealUrl;
pub use trust::{check_link, check_ownership};
pub use unit_claim::{ClaimOwner, ClaimUnit, Taken, UnitClaim, WANTED_TTL};
pub use weights::{Collected, Download, NewVersion, Upload, collect_garbage};
