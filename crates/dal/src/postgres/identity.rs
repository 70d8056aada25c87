//! The uid of the database, and its location.

use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{PostgresStore, call::call, rows::get, wire_types::Id};
use crate::{DalError, location::Location};

const TABLE: &str = "DatabaseIdentity";

const UID: &str = r#"SELECT "uid" FROM "DatabaseIdentity""#;

/// The time is in microseconds. The right to read the system identifier is queried separately, because a statement that
/// names the function is refused as a whole.
const WHERE: &str = r#"
SELECT "uid", (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS "object",
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS "started",
    COALESCE(has_function_privilege(to_regprocedure('pg_control_system()')::oid, 'EXECUTE'), false) AS "tells"
FROM "DatabaseIdentity""#;

const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

const ADOPT: &str = r#"
UPDATE "DatabaseIdentity" SET "uid" = gen_random_uuid(), "createdAt" = clock_timestamp() RETURNING "uid""#;

impl PostgresStore {
    /// Reads the uid, and the location with it.
    pub(super) async fn read_uid(&self) -> Result<Uuid, DalError> {
        let read = async {
            Ok::<Option<PgRow>, DalError>(call!(self.server(), "read its uid", |connection| {
                self.query(WHERE).fetch_optional(&mut *connection).await
            }))
        };
        let row = match read.await {
            // A compatible server may not have these functions.
            Err(DalError::Query { .. }) => return self.read_uid_only().await,
            row => row?.ok_or_else(|| DalError::NoSchema { database: self.server().name() })?,
        };
        let started: i64 = get(TABLE, &row, "started")?;
        let known = self.server().seen().system.clone();
        let system = match known {
            Some((of, system)) if of == started => Some(system),
            _ if get(TABLE, &row, "tells")? => self.read_system().await?,
            _ => None,
        };
        let object: Option<i64> = get(TABLE, &row, "object")?;
        let mut seen = self.server().seen();
        seen.system = system.clone().map(|system| (started, system));
        seen.location = seen.address.clone().map(|address| Location {
            system,
            object: object.map(|oid| oid.to_string()),
            instance: Some(started.to_string()),
            ..Location::at(address)
        });
        Ok(get::<Id>(TABLE, &row, "uid")?.0)
    }

    async fn read_uid_only(&self) -> Result<Uuid, DalError> {
        let row: Option<PgRow> =
            call!(self.server(), "read its uid", |connection| self.query(UID).fetch_optional(&mut *connection).await);
        let row = row.ok_or_else(|| DalError::NoSchema { database: self.server().name() })?;
        let mut seen = self.server().seen();
        seen.location = seen.address.clone().map(Location::at);
        Ok(get::<Id>(TABLE, &row, "uid")?.0)
    }

    /// Reads the system identifier. Returns `None` if the server refuses after all.
    async fn read_system(&self) -> Result<Option<String>, DalError> {
        let read = async {
            Ok::<PgRow, DalError>(call!(self.server(), "ask what the server calls itself", |connection| {
                self.query(SYSTEM).fetch_one(&mut *connection).await
            }))
        };
        match read.await {
            Ok(row) => Ok(row.try_get(0).ok()),
            Err(DalError::Rights { .. } | DalError::Query { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn write_new_uid(&self) -> Result<Uuid, DalError> {
        let row: Option<PgRow> = call!(self.server(), "give it a new uid", |connection| {
            self.query(ADOPT).fetch_optional(&mut *connection).await
        });
        let row = row.ok_or_else(|| DalError::NoSchema { database: self.server().name() })?;
        Ok(get::<Id>(TABLE, &row, "uid")?.0)
    }
}
