//! The lock under which a server's database is migrated: a record with an owner and an expiry, renewed while it is
//! held. All times are the server's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use surrealdb::types::SurrealValue;
use tokio::{task::JoinHandle, time::sleep};
use uuid::Uuid;

use super::SurrealServer;
use crate::{
    DalError, retry,
    surreal::{
        SurrealStore,
        query::{take, variables},
    },
};

/// Time after which the lock of a dead holder expires.
const LEASE: Duration = Duration::from_secs(15);

const TABLE: &str = "MigrationsLock";

/// Creates namespace and database, which `mer migrate` may have to do first; for a user of the database itself they
/// exist.
const DEFINE_DATABASE: &str =
    "DEFINE NAMESPACE IF NOT EXISTS $namespace; USE NS $namespace; DEFINE DATABASE IF NOT EXISTS $database;";

const DEFINE: &str = "DEFINE TABLE IF NOT EXISTS MigrationsLock SCHEMALESS;";

/// The record `fence` is also written by the transaction of every script, see `run_script`: it changes only with the
/// owner.
const TAKE: &str = "
BEGIN;
LET $held = (SELECT * FROM MigrationsLock:this)[0];
IF $held = NONE OR $held.expires < time::now() OR $held.owner = $owner {
    UPSERT MigrationsLock:this CONTENT { owner: $owner, holder: $holder, expires: time::now() + $lease } RETURN NONE;
    UPSERT MigrationsLock:fence CONTENT { owner: $owner } RETURN NONE
};
COMMIT;";

const HELD: &str = "SELECT owner, holder FROM MigrationsLock:this;";

const RENEW: &str = "UPDATE MigrationsLock:this SET expires = time::now() + $lease
    WHERE owner = $owner AND expires > time::now() RETURN owner, holder;";

const RELEASE: &str = "
DELETE MigrationsLock:fence WHERE owner = $owner RETURN NONE;
DELETE MigrationsLock:this WHERE owner = $owner RETURN NONE;";

#[derive(Debug, SurrealValue)]
struct Held {
    owner: Uuid,
    holder: String,
}

/// The lock. If it is dropped, it expires.
#[derive(Debug)]
pub(crate) struct LeaseLock {
    store: SurrealStore,
    owner: Uuid,
    renewing: JoinHandle<()>,
}

impl Drop for LeaseLock {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl LeaseLock {
    /// Returns the owner, by which scripts check that the lock is still held.
    pub(crate) const fn owner(&self) -> Uuid {
        self.owner
    }

    pub(crate) async fn check(&mut self) -> Result<(), DalError> {
        renew(&self.store, self.owner).await
    }

    pub(crate) async fn release(self) {
        let owner = variables([("owner", self.owner.into_value())]);
        // If this fails, the lock expires.
        let _ = self.store.write("release the lock of migrations", RELEASE, owner).await;
    }
}

impl SurrealStore {
    pub(in crate::surreal) async fn take_lock(&self, server: &Arc<SurrealServer>) -> Result<LeaseLock, DalError> {
        const OPERATION: &str = "lock the migrations";
        let begun = Instant::now();
        let owner = Uuid::new_v4();
        let holder = format!(
            "{} (user {})",
            server.settings.application.clone().unwrap_or_else(|| format!("process {}", std::process::id())),
            server.user()
        );
        self.define_lock(server).await?;
        let mut tries = 0;
        loop {
            let values = variables([
                ("owner", owner.into_value()),
                ("holder", holder.clone().into_value()),
                ("lease", LEASE.into_value()),
            ]);
            self.write(OPERATION, TAKE, values).await?;
            let mut results = self.run(OPERATION, HELD, variables([])).await?;
            let held: Option<Held> = take(&mut results, 0, TABLE)?.into_iter().next();
            if held.as_ref().is_some_and(|held| held.owner == owner) {
                return Ok(LeaseLock {
                    store: self.clone(),
                    owner,
                    renewing: tokio::spawn(keep_renewed(self.clone(), owner)),
                });
            }
            if begun.elapsed() >= server.wait {
                let holder = held.map_or_else(|| "another process".to_owned(), |held| held.holder);
                return Err(DalError::Migrating { database: self.database(), holder, waited: begun.elapsed() });
            }
            tries += 1;
            sleep(retry::pause(tries).min(server.wait.saturating_sub(begun.elapsed()))).await;
        }
    }

    async fn define_lock(&self, server: &Arc<SurrealServer>) -> Result<(), DalError> {
        const OPERATION: &str = "create the table `MigrationsLock`";
        match self.write(OPERATION, DEFINE, variables([])).await {
            Err(DalError::NoSchema { .. }) => {
                let values = variables([
                    ("namespace", server.target.namespace.clone().into_value()),
                    ("database", server.target.database.clone().into_value()),
                ]);
                self.write("create namespace and database", DEFINE_DATABASE, values).await?;
                self.write(OPERATION, DEFINE, variables([])).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }
}

/// Renews the lock until it is released or lost.
async fn keep_renewed(store: SurrealStore, owner: Uuid) {
    let mut pause = LEASE / 3;
    loop {
        sleep(pause).await;
        pause = match renew(&store, owner).await {
            Ok(()) => LEASE / 3,
            // The lock is lost for good; the next check reports it.
            Err(DalError::Lost { source, .. }) if source.is::<Taken>() => return,
            Err(_) => LEASE / 15,
        };
    }
}

#[derive(Debug, thiserror::Error)]
#[error("its lease has run out")]
struct Taken;

async fn renew(store: &SurrealStore, owner: Uuid) -> Result<(), DalError> {
    const OPERATION: &str = "keep the lock of migrations";
    let values = variables([("owner", owner.into_value()), ("lease", LEASE.into_value())]);
    let mut results = store.write(OPERATION, RENEW, values).await?;
    let held: Vec<Held> = take(&mut results, 0, TABLE)?;
    match held.first() {
        Some(_) => Ok(()),
        None => Err(DalError::Lost { operation: OPERATION, database: store.database(), source: Taken.into() }),
    }
}
