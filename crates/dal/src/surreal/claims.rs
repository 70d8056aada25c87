//! Claims of units of resources, and the revision of the registry.

use std::time::Duration;

use surrealdb::types::{Array, Datetime, Object, RecordId, RecordIdKey, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    query::{take, variables},
    rows::timestamp,
};
use crate::{
    BoxError, ClaimOwner, ClaimUnit, DalError, Taken, UnitClaim, WANTED_TTL,
    backend::{AskedClaims, ClaimBackend, TAKE_CLAIMS},
    retry::Attempt,
};

const TABLE: &str = "Claims";
const REVISION_OPERATION: &str = "read the revision of the registry";

/// Two transactions that take the same unit both write its record, and one of them fails as a conflict.
const TAKE: &str = "
BEGIN;
LET $now = time::now();
LET $others = SELECT VALUE id FROM $ids WHERE owner != NONE AND owner != $owner AND validUntil > $now
    AND !(owner IN $gone AND host = $host);
IF $others = [] {
    FOR $row IN $rows {
        UPSERT $row.id CONTENT {
            pool: $row.pool, resource: $row.resource, unit: $row.unit, owner: $owner, host: $host, pid: $pid,
            caller: $caller, model: $model, takenAt: $now, validUntil: $now + $lasts
        } RETURN NONE;
    };
};
COMMIT;";

const RENEW: &str =
    "UPDATE $ids SET validUntil = time::now() + $lasts WHERE owner = $owner AND validUntil > time::now()
    RETURN pool, resource, unit;";

const RELEASE: &str = "DELETE $ids WHERE owner = $owner RETURN NONE;";

const HELD: &str =
    "SELECT *, validUntil <= time::now() AS isVoid, (wantedUntil ?? time::now()) > time::now() AS isWanted
    FROM $ids WHERE owner != NONE;";

const LIST: &str =
    "SELECT *, validUntil <= time::now() AS isVoid, (wantedUntil ?? time::now()) > time::now() AS isWanted
    FROM Claims WHERE owner != NONE;";

const WANT: &str =
    "UPDATE $ids SET wantedBy = $by, wantedUntil = time::now() + $lasts WHERE owner != NONE AND owner != $by
    RETURN NONE;";

const WANTED: &str = "SELECT pool, resource, unit FROM Claims WHERE owner = $owner AND wantedUntil != NONE AND wantedUntil > time::now();";

const CLEAR: &str = "DELETE Claims WHERE validUntil != NONE AND validUntil <= time::now() RETURN BEFORE;";

const REVISION: &str = "SELECT VALUE revision FROM RegistryRevision:this;";

#[derive(Debug, SurrealValue)]
struct UnitRow {
    pool: String,
    resource: String,
    unit: String,
}

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct ClaimRow {
    pool: String,
    resource: String,
    unit: String,
    owner: Uuid,
    host: Option<String>,
    pid: Option<i64>,
    caller: Option<String>,
    model: Option<String>,
    taken_at: Datetime,
    valid_until: Datetime,
    wanted_by: Option<Uuid>,
    is_void: bool,
    is_wanted: bool,
}

impl ClaimBackend for SurrealStore {
    async fn try_take_claims(&self, asked: AskedClaims<'_>) -> Attempt<Taken> {
        let AskedClaims { units, owner, lasts, gone } = asked;
        let rows: Vec<Value> = units.iter().map(|unit| Value::Object(row(unit))).collect();
        let values = variables([
            ("ids", ids(units)),
            ("rows", rows.into_value()),
            ("owner", owner.uid.into_value()),
            ("host", owner.host.clone().into_value()),
            ("pid", i64::from(owner.pid).into_value()),
            ("caller", owner.caller.clone().into_value()),
            ("model", owner.model.clone().into_value()),
            ("lasts", lasts.into_value()),
            ("gone", gone.to_vec().into_value()),
        ]);
        if let Err(conflict) = self.try_write(TAKE_CLAIMS, TAKE, values).await? {
            return Ok(Err(conflict));
        }
        let mut results = self.run(TAKE_CLAIMS, HELD, variables([("ids", ids(units))])).await?;
        let held = claims(take(&mut results, 0, TABLE)?)?;
        let (own, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|claim| claim.owner.uid == owner.uid);
        if own.len() == units.len() {
            return Ok(Ok(Taken::All));
        }
        // Nothing was taken over if another unit is held.
        let is_gone = |claim: &UnitClaim| gone.contains(&claim.owner.uid) && claim.owner.host == owner.host;
        let others: Vec<_> = others.into_iter().filter(|claim| !claim.is_void && !is_gone(claim)).collect();
        if others.is_empty() {
            // A free unit can have been taken and released by others meanwhile; a write that is ignored stays ignored.
            return if self.writes_may_be_ignored() {
                Err(self.ignored(TAKE_CLAIMS))
            } else {
                Ok(Err(BoxError::from("the claims were released meanwhile")))
            };
        }
        Ok(Ok(Taken::Held(others)))
    }

    async fn renew_claims(
        &self,
        owner: Uuid,
        units: &[ClaimUnit],
        lasts: Duration,
    ) -> Result<Vec<ClaimUnit>, DalError> {
        let values = variables([("ids", ids(units)), ("owner", owner.into_value()), ("lasts", lasts.into_value())]);
        let mut results = self.write("renew the claims of units", RENEW, values).await?;
        Ok(unit_list(take(&mut results, 0, TABLE)?))
    }

    async fn release_claims(&self, owner: Uuid, units: &[ClaimUnit]) -> Result<(), DalError> {
        let values = variables([("ids", ids(units)), ("owner", owner.into_value())]);
        self.write("release the claims of units", RELEASE, values).await.map(drop)
    }

    async fn list_claims(&self) -> Result<Vec<UnitClaim>, DalError> {
        let mut results = self.run("list the claims of units", LIST, variables([])).await?;
        claims(take(&mut results, 0, TABLE)?)
    }

    async fn want_claims(&self, units: &[ClaimUnit], by: Uuid) -> Result<(), DalError> {
        let values = variables([("ids", ids(units)), ("by", by.into_value()), ("lasts", WANTED_TTL.into_value())]);
        self.write("say which units are wanted", WANT, values).await.map(drop)
    }

    async fn wanted_of(&self, owner: Uuid) -> Result<Vec<ClaimUnit>, DalError> {
        let values = variables([("owner", owner.into_value())]);
        let mut results = self.run("read which units are wanted", WANTED, values).await?;
        Ok(unit_list(take(&mut results, 0, TABLE)?))
    }

    async fn clear_void_claims(&self) -> Result<u64, DalError> {
        let mut results = self.write("remove void claims", CLEAR, variables([])).await?;
        Ok(u64::try_from(take::<Value>(&mut results, 0, TABLE)?.len()).unwrap_or(u64::MAX))
    }

    async fn registry_revision(&self) -> Result<u64, DalError> {
        const HIDDEN: &str = "the server shows no row of RegistryRevision: its PERMISSIONS do not let this user read";
        let mut results = self.run(REVISION_OPERATION, REVISION, variables([])).await?;
        let found: Vec<i64> = take(&mut results, 0, "RegistryRevision")?;
        let missing = || {
            if self.writes_may_be_ignored() {
                self.no_rights(REVISION_OPERATION, HIDDEN)
            } else {
                DalError::NoSchema { database: self.database() }
            }
        };
        let revision = found.into_iter().next().ok_or_else(missing)?;
        Ok(revision.unsigned_abs())
    }
}

fn record_id(unit: &ClaimUnit) -> RecordId {
    let key = [&unit.pool, &unit.resource, &unit.unit].map(|part| part.clone().into_value());
    RecordId::new(TABLE, RecordIdKey::Array(Array::from(key.to_vec())))
}

fn ids(units: &[ClaimUnit]) -> Value {
    units.iter().map(|unit| record_id(unit).into_value()).collect::<Vec<Value>>().into_value()
}

fn row(unit: &ClaimUnit) -> Object {
    let mut row = Object::new();
    row.insert("id", record_id(unit));
    row.insert("pool", unit.pool.clone());
    row.insert("resource", unit.resource.clone());
    row.insert("unit", unit.unit.clone());
    row
}

fn unit_list(rows: Vec<UnitRow>) -> Vec<ClaimUnit> {
    let mut units: Vec<ClaimUnit> =
        rows.into_iter().map(|UnitRow { pool, resource, unit }| ClaimUnit { pool, resource, unit }).collect();
    units.sort_unstable();
    units
}

fn claims(rows: Vec<ClaimRow>) -> Result<Vec<UnitClaim>, DalError> {
    let mut claims = rows.into_iter().map(ClaimRow::claim).collect::<Result<Vec<_>, _>>()?;
    claims.sort_unstable_by(|one, other| one.unit.cmp(&other.unit));
    Ok(claims)
}

impl ClaimRow {
    fn claim(self) -> Result<UnitClaim, DalError> {
        Ok(UnitClaim {
            unit: ClaimUnit { pool: self.pool, resource: self.resource, unit: self.unit },
            owner: ClaimOwner {
                uid: self.owner,
                host: self.host.unwrap_or_default(),
                pid: self.pid.and_then(|pid| pid.try_into().ok()).unwrap_or_default(),
                caller: self.caller.unwrap_or_default(),
                model: self.model.unwrap_or_default(),
            },
            taken_at: timestamp(TABLE, self.taken_at)?,
            valid_until: timestamp(TABLE, self.valid_until)?,
            is_void: self.is_void,
            wanted_by: self.wanted_by.filter(|_| self.is_wanted),
        })
    }
}
