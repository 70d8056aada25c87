//! What each database driver implements, one trait for each concern. Private: [`crate::Store`] is an enum over the drivers.
//!
//! The connection to a server may be lost after a call was carried out and before its answer arrived; the call is then
//! repeated. So every method leaves the same rows when it runs twice.

use std::time::Duration;

use jiff::Timestamp;
use mer_core::{Access, Alias, AliasMove, AttemptKey, DetachedRun, Model, Registry, Server, WeightsVersion};
use uuid::Uuid;

use crate::{
    ClaimOwner, ClaimUnit, DalError, MigrationLock, NewVersion, NextAttempt, RegistryCopy, Taken, UnitClaim,
    access_filter::{AccessFilter, Cursor},
    migration_script::{Applied, ScriptRun},
    retry::Attempt,
    weights::{Chunk, SweptChunks},
};

/// Servers and models.
pub(crate) trait RegistryBackend {
    /// Returns the servers by name.
    async fn servers(&self) -> Result<Vec<Server>, DalError>;
    /// Returns the models by name.
    async fn models(&self) -> Result<Vec<Model>, DalError>;
    async fn server(&self, name: &str) -> Result<Option<Server>, DalError>;
    async fn model(&self, name: &str) -> Result<Option<Model>, DalError>;
    /// Adds and replaces objects in one transaction. With `seen`, fails with [`DalError::Changed`] where an object is no
    /// longer what it was there.
    async fn apply(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError>;
    /// Restores objects of another database with their uids and times, in one transaction.
    async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError>;
    async fn remove_model(&self, name: &str) -> Result<(), DalError>;
    /// Removes a server, unless models name it; returns the names of those models.
    async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError>;
}

/// The log of accesses.
pub(crate) trait AccessBackend {
    /// Records accesses in batches, see [`crate::access_batch`].
    async fn record(&self, accesses: &[Access]) -> Result<(), DalError>;
    /// Returns at most `limit` accesses after the cursor, newest first. May leave it to the caller to apply other conditions
    /// than model, version, batch and time.
    async fn accesses(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError>;
    /// Returns at most `limit` attempts of the requests from `first` to `last`, both included, by key.
    async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError>;
    /// Returns the attempts of one request, the first attempt first.
    async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError>;
    /// Returns at most `limit` accesses whose key is greater than this one, by key.
    async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError>;
    /// Deletes the next ended accesses that began before a time, oldest first, or only reads them.
    async fn prune_step(&self, step: &PruneStep) -> Result<PrunedStep, DalError>;
    /// Returns the start of the access that has this many newer ones; none if there are fewer.
    async fn start_of(&self, newer: u64) -> Result<Option<Timestamp>, DalError>;
    /// Renews the heartbeat of attempts that are recorded as `started`.
    async fn keep_alive(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError>;
    /// Returns whether a started attempt has had no heartbeat for too long.
    async fn has_silent(&self) -> Result<bool, DalError>;
    /// Records such attempts as `lost`.
    async fn close_silent(&self) -> Result<(), DalError>;
}

/// One step of a prune.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PruneStep {
    pub(crate) before: Timestamp,
    /// Where the step before ended; none at the first one.
    pub(crate) from: Option<Timestamp>,
    /// Number of accesses that began at `from`, stay, and have been read.
    pub(crate) seen: usize,
    /// Maximum number of accesses that are read.
    pub(crate) limit: usize,
    pub(crate) dry_run: bool,
}

/// What a step of a prune did.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrunedStep {
    /// Starts of the accesses that were deleted, or would be.
    pub(crate) deleted: Vec<Timestamp>,
    /// Where the next step begins, as `from` and `seen`; none after the last one.
    pub(crate) next: Option<(Timestamp, usize)>,
}

/// Claims that are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedClaims<'a> {
    pub(crate) units: &'a [ClaimUnit],
    pub(crate) owner: &'a ClaimOwner,
    pub(crate) lasts: Duration,
    /// Owners whose claims are taken over if they are on the same host.
    pub(crate) gone: &'a [Uuid],
}

/// The operation of [`ClaimBackend::try_take_claims`], for messages.
pub(crate) const TAKE_CLAIMS: &str = "claim units of resources";

/// Claims of units of resources. Units are ordered, each is there once, and there is at least one.
pub(crate) trait ClaimBackend {
    /// Takes all claims or none, once. The inner error says that a process that held some has released them meanwhile.
    async fn try_take_claims(&self, asked: AskedClaims<'_>) -> Attempt<Taken>;
    /// Returns the units whose claims were renewed.
    async fn renew_claims(&self, owner: Uuid, units: &[ClaimUnit], lasts: Duration)
    -> Result<Vec<ClaimUnit>, DalError>;
    async fn release_claims(&self, owner: Uuid, units: &[ClaimUnit]) -> Result<(), DalError>;
    /// Returns all claims by unit.
    async fn list_claims(&self) -> Result<Vec<UnitClaim>, DalError>;
    async fn want_claims(&self, units: &[ClaimUnit], by: Uuid) -> Result<(), DalError>;
    /// Returns the units of this owner that others wait for, in order.
    async fn wanted_of(&self, owner: Uuid) -> Result<Vec<ClaimUnit>, DalError>;
    /// Removes claims whose time has passed; returns how many.
    async fn clear_void_claims(&self) -> Result<u64, DalError>;
    async fn registry_revision(&self) -> Result<u64, DalError>;
}

/// Runs that outlive their caller.
pub(crate) trait DetachedBackend {
    /// Puts a run and the start of its access on record, in one transaction.
    async fn add_detached(&self, run: &DetachedRun, lasts: Duration, access: &Access) -> Result<(), DalError>;
    /// Replaces what became known of a run since it was put on record; returns whether it is there.
    async fn update_detached(&self, run: &DetachedRun) -> Result<bool, DalError>;
    /// Returns the runs by key.
    async fn detached_runs(&self) -> Result<Vec<DetachedRun>, DalError>;
    /// Takes the collecting of a run, unless another process has it; returns whether it was taken.
    async fn take_detached(&self, key: AttemptKey, collector: Uuid, lasts: Duration) -> Result<bool, DalError>;
    async fn leave_detached(&self, key: AttemptKey, collector: Uuid) -> Result<(), DalError>;
    /// Removes a run and puts the end of its access on record, and the attempt that follows, in one transaction; returns whether
    /// this process still collected it.
    async fn close_detached(
        &self,
        collector: Uuid,
        access: &Access,
        next: Option<&NextAttempt>,
    ) -> Result<bool, DalError>;
}

/// The database itself: its identity, its schema, and the scripts that were applied to it.
pub(crate) trait MigrationBackend {
    async fn database_uid(&self) -> Result<Uuid, DalError>;
    async fn new_uid(&self) -> Result<Uuid, DalError>;
    /// Fails with [`DalError::Encoding`] where the database cannot hold every text.
    async fn check_encoding(&self) -> Result<(), DalError>;
    /// Returns the rows of `Migrations` by number, or `None` where the table does not exist.
    async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError>;
    async fn lock_migrations(&self) -> Result<MigrationLock, DalError>;
    async fn create_migrations(&self) -> Result<(), DalError>;
    async fn apply_script(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError>;
    /// Writes the row of a script without running it.
    async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError>;
}

/// Versions of weights.
pub(crate) trait VersionBackend {
    /// Returns the versions of a model, newest first.
    async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError>;
    async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError>;
    /// Turns an upload into the next version.
    async fn commit_upload(
        &self,
        model: &Model,
        upload: Uuid,
        new: &NewVersion,
        bytes: u64,
        sha256: &str,
    ) -> Result<WeightsVersion, DalError>;
    /// Returns whether the log mentions a run with this version.
    async fn is_in_log(&self, model: &Model, version: u64) -> Result<bool, DalError>;
    /// Removes a version, and with `force` the aliases that name it.
    async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError>;
}

/// Aliases of versions, and their moves.
pub(crate) trait AliasBackend {
    /// Returns every alias of these models with the version that it names.
    async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError>;
    /// Returns the moves of one alias, or of all aliases of the model, newest first.
    async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError>;
    async fn move_alias(
        &self,
        model: &Model,
        name: &str,
        version: Option<u64>,
        caller: &str,
        request: Option<Uuid>,
    ) -> Result<(), DalError>;
}

/// Versions and aliases that come from another database.
pub(crate) trait RestoreBackend {
    /// Returns the highest number that a version of this model ever had, or 0.
    async fn last_version(&self, model: &Model) -> Result<u64, DalError>;
    /// Turns an upload into the version that another database had, with its number and time.
    async fn restore_version(&self, model: &Model, upload: Uuid, version: &WeightsVersion) -> Result<(), DalError>;
    /// Restores the last number and those moves of aliases that come after the ones in this database.
    async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError>;
}

/// Payloads of weights: uploads, parts and chunks.
pub(crate) trait PayloadBackend {
    /// Creates an upload and returns its uid, which is also the uid of the payload.
    async fn begin_upload(&self, model: Uuid) -> Result<Uuid, DalError>;
    /// Stores chunks, and the parts from number `first` on that consist of them.
    async fn put_parts(&self, model: &Model, upload: Uuid, first: u64, chunks: &[Chunk]) -> Result<(), DalError>;
    /// Deletes an upload. Its chunks stay until the next garbage collection.
    async fn abort_upload(&self, upload: Uuid) -> Result<(), DalError>;
    /// Returns at most `count` chunks of a payload in their order, from the part with number `from` on.
    async fn read_parts(&self, payload: Uuid, from: u64, count: u32) -> Result<Vec<Chunk>, DalError>;
    /// Deletes uploads without a batch for this long; returns how many.
    async fn expire_uploads(&self, silent: Duration) -> Result<u64, DalError>;
    /// Returns the payloads that belong neither to an upload nor to a version.
    async fn dead_payloads(&self) -> Result<Vec<Uuid>, DalError>;
    /// Deletes some parts of a payload; returns whether it may have more.
    async fn remove_parts(&self, payload: Uuid) -> Result<bool, DalError>;
    /// Deletes those of the next chunks after this hash that no payload uses.
    async fn sweep_chunks(&self, after: Option<&str>) -> Result<SweptChunks, DalError>;
}
