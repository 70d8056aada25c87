//! Claims of units of resources, and the revision of the registry.

use std::time::Duration;

use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore,
    call::call,
    rows::{count, get, text},
    wire_types::{Id, Time},
};
use crate::{
    BoxError, ClaimOwner, ClaimUnit, DalError, Taken, UnitClaim, WANTED_TTL,
    backend::{AskedClaims, ClaimBackend, TAKE_CLAIMS},
    retry::Attempt,
};

const TABLE: &str = "Claims";

/// Rows are locked in the order of units, which is the same in every process.
const TAKE: &str = r#"
INSERT INTO "Claims" AS held ("pool", "resource", "unit", "owner", "host", "pid", "caller", "model", "takenAt", "validUntil")
SELECT given."pool", given."resource", given."unit", $4, $5, $6, $7, $8, clock_timestamp(),
    clock_timestamp() + make_interval(secs => $9)
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS given("pool", "resource", "unit", "place")
ORDER BY given."place"
ON CONFLICT ("pool", "resource", "unit") DO UPDATE SET "owner" = EXCLUDED."owner", "host" = EXCLUDED."host",
    "pid" = EXCLUDED."pid", "caller" = EXCLUDED."caller", "model" = EXCLUDED."model",
    "takenAt" = clock_timestamp(), "validUntil" = clock_timestamp() + make_interval(secs => $9),
    "wantedBy" = NULL, "wantedUntil" = NULL
WHERE held."owner" IS NULL OR held."owner" = EXCLUDED."owner" OR held."validUntil" <= clock_timestamp()
    OR (held."owner" = ANY($10::uuid[]) AND held."host" = EXCLUDED."host")"#;

/// As with all statements below that change rows, those are locked in the same order first.
const RENEW: &str = r#"
UPDATE "Claims" AS held SET "validUntil" = clock_timestamp() + make_interval(secs => $5)
FROM (
    SELECT own."pool", own."resource", own."unit" FROM "Claims" AS own
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS given("pool", "resource", "unit")
        ON own."pool" = given."pool" AND own."resource" = given."resource" AND own."unit" = given."unit"
    WHERE own."owner" = $4 AND own."validUntil" > clock_timestamp() ORDER BY 1, 2, 3 FOR UPDATE OF own
) AS own
WHERE held."pool" = own."pool" AND held."resource" = own."resource" AND held."unit" = own."unit"
RETURNING held."pool", held."resource", held."unit""#;

const RELEASE: &str = r#"
DELETE FROM "Claims" AS held USING (
    SELECT own."pool", own."resource", own."unit" FROM "Claims" AS own
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS given("pool", "resource", "unit")
        ON own."pool" = given."pool" AND own."resource" = given."resource" AND own."unit" = given."unit"
    WHERE own."owner" = $4 ORDER BY 1, 2, 3 FOR UPDATE OF own
) AS own
WHERE held."pool" = own."pool" AND held."resource" = own."resource" AND held."unit" = own."unit""#;

const HELD: &str = r#"
SELECT held.*, held."validUntil" <= clock_timestamp() AS "isVoid", held."wantedUntil" > clock_timestamp() AS "isWanted"
FROM "Claims" AS held JOIN unnest($1::text[], $2::text[], $3::text[]) AS given("pool", "resource", "unit")
    ON held."pool" = given."pool" AND held."resource" = given."resource" AND held."unit" = given."unit"
WHERE held."owner" IS NOT NULL ORDER BY 1, 2, 3"#;

const LIST: &str = r#"
SELECT held.*, held."validUntil" <= clock_timestamp() AS "isVoid", held."wantedUntil" > clock_timestamp() AS "isWanted"
FROM "Claims" AS held WHERE held."owner" IS NOT NULL ORDER BY 1, 2, 3"#;

const WANT: &str = r#"
UPDATE "Claims" AS held SET "wantedBy" = $4, "wantedUntil" = clock_timestamp() + make_interval(secs => $5)
FROM (
    SELECT other."pool", other."resource", other."unit" FROM "Claims" AS other
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS given("pool", "resource", "unit")
        ON other."pool" = given."pool" AND other."resource" = given."resource" AND other."unit" = given."unit"
    WHERE other."owner" <> $4 ORDER BY 1, 2, 3 FOR UPDATE OF other
) AS other
WHERE held."pool" = other."pool" AND held."resource" = other."resource" AND held."unit" = other."unit""#;

const WANTED: &str = r#"
SELECT "pool", "resource", "unit" FROM "Claims" WHERE "owner" = $1 AND "wantedUntil" > clock_timestamp() ORDER BY 1, 2, 3"#;

const CLEAR: &str = r#"DELETE FROM "Claims" WHERE "validUntil" <= clock_timestamp()"#;

const REVISION: &str = r#"SELECT "revision" FROM "RegistryRevision""#;

/// Pools, resources and names of units, each as an array.
type Columns<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>);

impl ClaimBackend for PostgresStore {
    async fn try_take_claims(&self, asked: AskedClaims<'_>) -> Attempt<Taken> {
        let AskedClaims { units, owner, lasts, gone } = asked;
        let wanted = u64::try_from(units.len()).unwrap_or(u64::MAX);
        let (taken, rows): (u64, Vec<PgRow>) = call!(self.server(), TAKE_CLAIMS, true, |connection| {
            let (pools, resources, names) = columns(units);
            let given =
                |statement| self.query(statement).bind(pools.clone()).bind(resources.clone()).bind(names.clone());
            let query = given(TAKE).bind(Id(owner.uid)).bind(text(&owner.host)).bind(count(owner.pid.into()));
            let query = query.bind(text(&owner.caller)).bind(text(&owner.model)).bind(lasts.as_secs_f64());
            let query = query.bind(gone.iter().copied().map(Id).collect::<Vec<_>>());
            let taken = query.execute(&mut *connection).await?.rows_affected();
            if taken < wanted {
                given(RELEASE).bind(Id(owner.uid)).execute(&mut *connection).await?;
            }
            Ok((taken, given(HELD).fetch_all(&mut *connection).await?))
        });
        let held = rows.iter().map(claim).collect::<Result<Vec<_>, _>>()?;
        let (own, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|claim| claim.owner.uid == owner.uid);
        if taken == wanted {
            return if own.len() == units.len() { Ok(Ok(Taken::All)) } else { Err(self.hidden_claims()?) };
        }
        let others: Vec<_> = others.into_iter().filter(|claim| !claim.is_void).collect();
        Ok(if others.is_empty() {
            Err(BoxError::from("the claims were released meanwhile"))
        } else {
            Ok(Taken::Held(others))
        })
    }

    async fn renew_claims(
        &self,
        owner: Uuid,
        units: &[ClaimUnit],
        lasts: Duration,
    ) -> Result<Vec<ClaimUnit>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "renew the claims of units", |connection| {
            let (pools, resources, names) = columns(units);
            let query = self.query(RENEW).bind(pools).bind(resources).bind(names);
            query.bind(Id(owner)).bind(lasts.as_secs_f64()).fetch_all(&mut *connection).await
        });
        rows.iter().map(unit).collect()
    }

    async fn release_claims(&self, owner: Uuid, units: &[ClaimUnit]) -> Result<(), DalError> {
        call!(self.server(), "release the claims of units", |connection| {
            let (pools, resources, names) = columns(units);
            let query = self.query(RELEASE).bind(pools).bind(resources).bind(names).bind(Id(owner));
            query.execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }

    async fn list_claims(&self) -> Result<Vec<UnitClaim>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "list the claims of units", |connection| {
            self.query(LIST).fetch_all(&mut *connection).await
        });
        rows.iter().map(claim).collect()
    }

    async fn want_claims(&self, units: &[ClaimUnit], by: Uuid) -> Result<(), DalError> {
        call!(self.server(), "say which units are wanted", |connection| {
            let (pools, resources, names) = columns(units);
            let query = self.query(WANT).bind(pools).bind(resources).bind(names);
            query.bind(Id(by)).bind(WANTED_TTL.as_secs_f64()).execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }

    async fn wanted_of(&self, owner: Uuid) -> Result<Vec<ClaimUnit>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "read which units are wanted", |connection| {
            self.query(WANTED).bind(Id(owner)).fetch_all(&mut *connection).await
        });
        rows.iter().map(unit).collect()
    }

    async fn clear_void_claims(&self) -> Result<u64, DalError> {
        Ok(call!(self.server(), "remove void claims", |connection| {
            self.query(CLEAR).execute(&mut *connection).await.map(|done| done.rows_affected())
        }))
    }

    async fn registry_revision(&self) -> Result<u64, DalError> {
        let row: Option<PgRow> = call!(self.server(), "read the revision of the registry", |connection| {
            self.query(REVISION).fetch_optional(&mut *connection).await
        });
        let row = row.ok_or_else(|| DalError::NoSchema { database: self.server().name() })?;
        Ok(get::<i64>("RegistryRevision", &row, "revision")?.unsigned_abs())
    }
}

impl PostgresStore {
    /// Returns the error for rows that a policy of the table hides from the user that wrote them.
    fn hidden_claims(&self) -> Result<DalError, DalError> {
        const WHY: &str =
            "the server accepted the rows of Claims and does not show them: a policy of the table hides them";
        let (database, user) = (self.server().name(), self.server().user()?);
        Ok(DalError::Rights { operation: TAKE_CLAIMS, database, user, source: WHY.into() })
    }
}

fn columns(units: &[ClaimUnit]) -> Columns<'_> {
    let of = |field: fn(&ClaimUnit) -> &str| units.iter().map(field).collect();
    (of(|unit| &unit.pool), of(|unit| &unit.resource), of(|unit| &unit.unit))
}

fn unit(row: &PgRow) -> Result<ClaimUnit, DalError> {
    Ok(ClaimUnit {
        pool: get(TABLE, row, "pool")?,
        resource: get(TABLE, row, "resource")?,
        unit: get(TABLE, row, "unit")?,
    })
}

fn claim(row: &PgRow) -> Result<UnitClaim, DalError> {
    let wanted = get::<Option<bool>>(TABLE, row, "isWanted")?.unwrap_or(false);
    let wanted_by = row.try_get::<Option<Id>, _>("wantedBy").ok().flatten().filter(|_| wanted);
    Ok(UnitClaim {
        unit: unit(row)?,
        owner: ClaimOwner {
            uid: get::<Id>(TABLE, row, "owner")?.0,
            host: get::<Option<String>>(TABLE, row, "host")?.unwrap_or_default(),
            pid: get::<Option<i64>>(TABLE, row, "pid")?.and_then(|pid| pid.try_into().ok()).unwrap_or_default(),
            caller: get::<Option<String>>(TABLE, row, "caller")?.unwrap_or_default(),
            model: get::<Option<String>>(TABLE, row, "model")?.unwrap_or_default(),
        },
        taken_at: get::<Time>(TABLE, row, "takenAt")?.0,
        valid_until: get::<Time>(TABLE, row, "validUntil")?.0,
        is_void: get(TABLE, row, "isVoid")?,
        wanted_by: wanted_by.map(|by| by.0),
    })
}
