//! Statements that several files about weights use.

pub(super) const DELETE_UPLOAD: &str = r#"DELETE FROM "ModelWeightUploads" WHERE "uid" = $1"#;

/// Counts a change. Transactions that change versions or aliases of the same model wait for each other here.
pub(super) const COUNT_CHANGE: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "changes") VALUES ($1, 1)
ON CONFLICT ("model") DO UPDATE SET "changes" = known."changes" + 1"#;

/// Run after the counter is locked: a transaction that removes a model locks it too.
pub(super) const MODEL_EXISTS: &str = r#"SELECT 1 FROM "AvailableModels" WHERE "uid" = $1"#;

/// Moves an alias and records the move. Nothing is recorded if the alias already names that version, or if an alias to
/// remove does not exist.
pub(super) const MOVE_ALIAS: &str = r#"
WITH moved AS (
    INSERT INTO "ModelWeightAliases" AS known ("model", "name", "version", "moves")
    SELECT $1, $2, $3, 1 WHERE $3::bigint IS NOT NULL
        OR EXISTS (SELECT FROM "ModelWeightAliases" WHERE "model" = $1 AND "name" = $2)
    ON CONFLICT ("model", "name") DO UPDATE SET "version" = EXCLUDED."version", "moves" = known."moves" + 1
    WHERE known."version" IS DISTINCT FROM EXCLUDED."version"
    RETURNING "model", "name", "moves", "version"
)
INSERT INTO "ModelWeightAliasMoves" ("model", "name", "number", "version", "caller", "requestUid")
SELECT "model", "name", "moves", "version", $4, $5 FROM moved"#;
