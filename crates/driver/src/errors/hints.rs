//! What to do about an error of a layer below: every hint that names a flag, a setting or a command of `mer`.

use mer_core::{Dtype, Protocol, Shortage};
use mer_dal::{DalError, DiskFault, JournalError};
use mer_migrations::MigrationError;
use mer_scheduler::{DeliveryError, FailureCause, Outcome, SchedulerError};
use mer_weights::WeightsError;

use super::{
    cli_error::did_you_mean,
    slurm_hints::slurm_hint,
    ssh_hints::ssh_hint,
    system_hints::{disk_hint, distrust_hint, shortage_hint, unreachable_hint},
};
use crate::ui::counted;

const CREDENTIALS: &str = "user and password come from the URL, or from DRIVER_DB_USERNAME and DRIVER_DB_PASSWORD; those \
                           of migrations from MIGRATIONS_DB_USERNAME and MIGRATIONS_DB_PASSWORD";

/// What to do about an error of the database.
pub(super) fn dal_hint(error: &DalError) -> Option<String> {
    use DalError as E;
    if let Some(shortage) = Shortage::of(error) {
        return Some(shortage_hint(shortage).to_owned());
    }
    let hint = match error {
        E::Distrusted { path, why } => return Some(distrust_hint(path, *why)),
        E::HasWeights { model } => {
            return Some(format!(
                "`mer weights list {model}` shows them, and `mer weights remove {model}:VERSION` removes one"
            ));
        }
        E::NoDatabase { name, .. } => return Some(format!("an administrator creates it: CREATE DATABASE \"{name}\"")),
        E::NoVersion { model, .. } | E::NoAlias { model, .. } => {
            return Some(format!("`mer weights list {model}` shows what there is"));
        }
        E::Unreachable { database, source } => return Some(unreachable_hint(database, source.as_ref())),
        E::Rights { .. } if error.is_anonymous() => return Some(format!("no user signed in: {CREDENTIALS}")),
        // Another folder does not help with a socket.
        E::Lost { .. } => return None,
        E::Open { .. } if DiskFault::of(error).is_none() && error.is_damage() => {
            "its files are damaged, and were not changed: restore the folder from a copy"
        }
        E::Incomplete { .. } => "nothing was changed: restore the whole folder, as it was or from a copy",
        E::Opening { .. } => "if a longer `--db-wait` does not help, its files are damaged: restore a copy",
        E::LockGone { .. } => {
            "check whether the change is there, and repeat it if not; do not touch the files of a database in use"
        }
        E::FolderName { .. } => "`--data-dir` names another folder",
        E::Foreign { .. } => "name an empty folder, or one that does not exist yet",
        E::Changed { .. } => "nothing was done: check it, and try again",
        E::NoSchema { .. } => "`mer migrate` creates it",
        E::Encoding { .. } => "an administrator creates one: CREATE DATABASE mer ENCODING 'UTF8' TEMPLATE template0",
        // SQLSTATE 25001: the statement must not run inside a transaction.
        E::Script { source, .. } if source.to_string().contains("(25001)") => {
            "with the first line `-- mer: no-transaction` it runs outside of a transaction"
        }
        E::Refused { .. } => CREDENTIALS,
        E::Rights { .. } => "docs/reference/database-rights.md lists the rights that each program needs",
        E::VersionInUse { .. } => "`--force` removes it anyway, with the aliases that point to it",
        E::OtherVersion { .. } => "both databases have changed since they were copied; import into one that has not",
        E::UploadGone { .. } => "put them again",
        E::Busy { .. } | E::Migrating { .. } | E::Locked { .. } => {
            "wait for it, or allow a longer wait with `--db-wait`"
        }
        E::NotReady { .. } => {
            "it is starting, stopping, or at its limit of connections: allow a longer wait with `--db-wait`"
        }
        E::Late { .. } | E::Short { .. } => "try again later",
        E::ScriptRow { .. } => {
            "does it make its transaction read-only, or take rights away from the user of migrations?"
        }
        _ => return disk_hint(error),
    };
    Some(hint.to_owned())
}

/// What to do about an error of the journal.
pub(super) fn journal_hint(error: &JournalError) -> Option<String> {
    disk_hint(error)
}

/// What to do about an error of migrations.
pub(super) fn migration_hint(error: &MigrationError) -> Option<String> {
    use MigrationError as E;
    let hint = match error {
        E::Newer { .. } | E::Missing { .. } => "use the MER that migrated it, or a newer one",
        E::Changed { .. } => "`mer migrate status` lists the differences; `mer migrate repair` accepts them",
        E::OwnMissing { .. } => "name the folder that has it with `--sql-dir`",
        E::NoScript { .. } => "`mer migrate status` lists all there are",
        E::Moved => "look again",
        E::Bare => "`mer migrate` creates them",
        E::Pending { .. } => "run `mer migrate`",
        E::Database(error) => return dal_hint(error),
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to do about a run that could not be attempted.
pub(super) fn scheduler_hint(error: &SchedulerError) -> Option<String> {
    match error {
        SchedulerError::NotOnServer { server, runs_on, .. } => did_you_mean(server, runs_on.iter().map(String::as_str)),
        SchedulerError::Record { source, .. } => journal_hint(source),
        SchedulerError::NoCommand { model, key, .. } => {
            let flag = if *key == "trainCommand" { "--train-command 'PROGRAM ARGUMENTS'" } else { "-- COMMAND…" };
            Some(format!("`mer --allow-changes model set {model} {flag}` gives it one"))
        }
        _ => None,
    }
}

/// What to do about a run that was attempted and failed.
pub(crate) fn outcome_hint(outcome: &Outcome) -> Option<String> {
    let (model, server) = (&outcome.access.model, &outcome.access.server);
    match outcome.cause.as_ref()? {
        FailureCause::Ssh(error) => ssh_hint(error, server),
        FailureCause::Slurm(error) => slurm_hint(error, server),
        FailureCause::Shortage(shortage) => Some(shortage_hint(*shortage).to_owned()),
        FailureCause::Delivery(error) => delivery_hint(error),
        FailureCause::ConnectionLost => {
            Some("a process that still runs there ends when `orphanAfter` has passed".to_owned())
        }
        FailureCause::NoReply(protocol) => no_reply_hint(*protocol).map(str::to_owned),
        FailureCause::WeightsLeft { path } => {
            Some(format!("it is still on `{server}`, in `{path}`; `mer weights put {model} FILE` stores a copy of it"))
        }
        FailureCause::Relayed { hint } => hint.clone(),
        _ => None,
    }
}

/// The most frequent reason for a reply that does not come.
const fn no_reply_hint(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Lines => Some(
            "does it flush its output after every line? A program that reads to the end of its input before it answers \
             is `oneshot`, not `lines`",
        ),
        Protocol::Token => {
            Some("does it print its startToken and stopToken on lines of their own, and flush its output?")
        }
        _ => None,
    }
}

/// What to do about weights that did not get to where the model runs.
pub(super) fn delivery_hint(error: &DeliveryError) -> Option<String> {
    if let Some(shortage) = Shortage::of(error) {
        return Some(shortage_hint(shortage).to_owned());
    }
    match error {
        DeliveryError::Cache { .. } => {
            Some("free some space there, or name another folder: `cacheDir`, MER_CACHE_DIR".to_owned())
        }
        DeliveryError::Distrusted { .. } => Some("name a folder of your own: `cacheDir`, MER_CACHE_DIR".to_owned()),
        DeliveryError::Database { source, .. } => dal_hint(source),
        DeliveryError::Refused { server, .. } => {
            Some(format!("free some space there, or name another folder: `mer server set {server} --cache-dir DIR`"))
        }
        _ => None,
    }
}

/// What to do about weights that are not what they are said to be.
pub(super) fn weights_hint(error: &WeightsError) -> Option<String> {
    const RAW: &str = "`--format raw` stores bytes of any kind";
    let hint = match error {
        WeightsError::Header { .. } | WeightsError::Json { .. } => RAW,
        WeightsError::Size { .. } => return Some(format!("check that it was copied completely; {RAW}")),
        WeightsError::OtherDtype { .. } => "omit `--dtype`: the file has its own",
        WeightsError::OtherShape { .. } => "omit `--shape`: the file has its own",
        WeightsError::Shape { dtype, found, .. } => return elements(*dtype, *found),
        WeightsError::Number { number, dtype, .. } if dtype.is_float() && number.parse::<i64>().is_ok() => {
            "`--dtype i64` can represent it"
        }
        WeightsError::NoElements => "give one, such as `--dtype f32`",
        WeightsError::LongJson { .. } => "use npy or safetensors",
        WeightsError::Lossy { .. } => "without `--format` they are written as they were put",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// How many elements this number of bytes has, where it is a whole number.
fn elements(dtype: Dtype, bytes: u64) -> Option<String> {
    let size = u64::try_from(dtype.size()?).ok()?;
    let whole = bytes.is_multiple_of(size).then(|| bytes / size)?;
    Some(format!("as {dtype} they are {}; without `--shape` they are one array", counted(whole, "element")))
}
