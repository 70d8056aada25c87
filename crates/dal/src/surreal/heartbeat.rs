//! Heartbeats of running attempts, and attempts without one for too long.

use mer_core::AttemptKey;
use surrealdb::types::{SurrealValue as _, Value};

use super::{
    SurrealStore,
    query::{take, variables},
    rows::access_id,
};
use crate::{DalError, store::HEARTBEAT_TTL};

const RENEW: &str =
    "UPDATE $ids SET host = $host, aliveUntil = time::now() + $alive WHERE status = 'started' RETURN NONE;";

/// Selected by the index first; a row may have got its end since.
const SILENT: &str = "
BEGIN;
LET $silent = SELECT VALUE id FROM ModelAccess WHERE aliveMicros > 0 AND aliveMicros < time::micros(time::now());
UPDATE $silent SET status = 'lost', error = 'nothing was heard any more of `' + <string> host + '`, where it ran',
    aliveUntil = NONE WHERE status = 'started' RETURN NONE;
COMMIT;";

const ANY_SILENT: &str =
    "SELECT VALUE id FROM ModelAccess WHERE aliveMicros > 0 AND aliveMicros < time::micros(time::now()) LIMIT 1;";

impl SurrealStore {
    pub(super) async fn find_silent(&self) -> Result<bool, DalError> {
        let mut results = self.run("find runs without a heartbeat", ANY_SILENT, variables([])).await?;
        Ok(!take::<Value>(&mut results, 0, "ModelAccess")?.is_empty())
    }

    pub(super) async fn renew_heartbeats(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError> {
        let ids: Vec<Value> = attempts.iter().map(|key| access_id(key.request_uid, key.attempt).into_value()).collect();
        let values = variables([
            ("ids", ids.into_value()),
            ("host", host.to_owned().into_value()),
            ("alive", HEARTBEAT_TTL.into_value()),
        ]);
        self.write("renew the heartbeat of runs", RENEW, values).await.map(drop)
    }

    pub(super) async fn mark_silent_lost(&self) -> Result<(), DalError> {
        self.write("close runs without a heartbeat", SILENT, variables([])).await.map(drop)
    }
}
