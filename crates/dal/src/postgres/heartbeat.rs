//! Heartbeats of running attempts, and attempts without one for too long.

use mer_core::AttemptKey;
use sqlx::Row as _;

use super::{PostgresStore, call::call, rows::text, wire_types::Id};
use crate::{DalError, store::HEARTBEAT_TTL};

const RENEW: &str = r#"
UPDATE "ModelAccess" AS known SET "host" = $1, "aliveUntil" = clock_timestamp() + make_interval(secs => $2)
FROM unnest($3::uuid[], $4::bigint[]) AS given("requestUid", "attempt")
WHERE known."requestUid" = given."requestUid" AND known."attempt" = given."attempt" AND known."status" = 'started'"#;

const SILENT: &str = r#"
UPDATE "ModelAccess" SET "status" = 'lost', "error" = 'nothing was heard any more of `' || "host" || '`, where it ran'
WHERE "status" = 'started' AND "aliveUntil" < clock_timestamp()"#;

const ANY_SILENT: &str = r#"
SELECT EXISTS (SELECT 1 FROM "ModelAccess" WHERE "status" = 'started' AND "aliveUntil" < clock_timestamp())"#;

impl PostgresStore {
    pub(super) async fn find_silent(&self) -> Result<bool, DalError> {
        Ok(call!(self.server(), "find runs without a heartbeat", |connection| {
            let row = self.query(ANY_SILENT).fetch_one(&mut *connection).await;
            row.and_then(|row| row.try_get::<bool, _>(0))
        }))
    }

    pub(super) async fn renew_heartbeats(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError> {
        call!(self.server(), "renew the heartbeat of runs", |connection| {
            let requests: Vec<Id> = attempts.iter().map(|key| Id(key.request_uid)).collect();
            let numbers: Vec<i64> = attempts.iter().map(|key| key.attempt.into()).collect();
            let query =
                self.query(RENEW).bind(text(host)).bind(HEARTBEAT_TTL.as_secs_f64()).bind(requests).bind(numbers);
            query.execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }

    pub(super) async fn mark_silent_lost(&self) -> Result<(), DalError> {
        call!(self.server(), "close runs without a heartbeat", |connection| {
            self.query(SILENT).execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }
}
