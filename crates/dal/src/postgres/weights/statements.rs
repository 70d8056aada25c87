//! Statements that several files about weights need.

pub(super) const DELETE_UPLOAD: &str = r#"DELETE FROM "ModelWeightUploads" WHERE "uid" = $1"#;

/// Whoever changes versions or aliases of a model waits here for others who do.
pub(super) const COUNT_CHANGE: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "changes") VALUES ($1, 1)
ON CONFLICT ("model") DO UPDATE SET "changes" = known."changes" + 1"#;

/// Asked once the counter is held: whoever removes a model holds it too.
pub(super) const MODEL_EXISTS: &str = r#"SELECT 1 FROM "AvailableModels" WHERE "uid" = $1"#;

/// Moves an alias and writes the move down. A move to where it is already is none, and so is taking away what is not there.
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
