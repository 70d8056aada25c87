-- What the log has of batches, jobs, residents and tags; claims of resources that machines share; runs that outlive their
-- caller; and how often the registry has changed.

ALTER TABLE "AvailableServers" DROP CONSTRAINT "AvailableServers_connType_check",
    ADD CONSTRAINT "AvailableServers_connType_check" CHECK ("connType" IN ('local', 'ssh', 'slurm'));
COMMENT ON COLUMN "AvailableServers"."connType" IS 'local, ssh, or slurm.';

ALTER TABLE "ModelAccess" DROP CONSTRAINT "ModelAccess_kind_check",
    ADD CONSTRAINT "ModelAccess_kind_check" CHECK ("kind" IN ('infer', 'train', 'ping', 'load')),
    ADD COLUMN "batchUid" uuid,
    ADD COLUMN "items" bigint,
    ADD COLUMN "failedItems" bigint,
    ADD COLUMN "jobId" text,
    ADD COLUMN "via" text,
    ADD COLUMN "tags" jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN "ModelAccess"."kind" IS 'infer, train, ping or load.';
COMMENT ON COLUMN "ModelAccess"."batchUid" IS 'The batch that it is a part of.';
COMMENT ON COLUMN "ModelAccess"."items" IS 'Number of items of a part of a batch.';
COMMENT ON COLUMN "ModelAccess"."failedItems" IS 'Number of those items that failed.';
COMMENT ON COLUMN "ModelAccess"."jobId" IS 'Id of the job on a cluster.';
COMMENT ON COLUMN "ModelAccess"."via" IS 'resident, or null for the mer process of the caller.';
COMMENT ON COLUMN "ModelAccess"."tags" IS 'Labels of the caller: an object of texts.';
CREATE INDEX "ofBatch" ON "ModelAccess" ("batchUid", "requestUid", "attempt") WHERE "batchUid" IS NOT NULL;

-- One row a unit that a process holds, or that a process waits for. A row whose time has passed is void.
CREATE TABLE "Claims" (
    "pool" text COLLATE "C" NOT NULL,
    "resource" text COLLATE "C" NOT NULL,
    "unit" text COLLATE "C" NOT NULL,
    -- The keeper of the claim: one for each mer process.
    "owner" uuid,
    "host" text,
    "pid" bigint,
    "caller" text,
    "model" text,
    "takenAt" timestamptz,
    "validUntil" timestamptz,
    -- The last process that waited for this unit, and until when that counts.
    "wantedBy" uuid,
    "wantedUntil" timestamptz,
    PRIMARY KEY ("pool", "resource", "unit")
);
CREATE INDEX "claimsOfOwner" ON "Claims" ("owner");
COMMENT ON TABLE "Claims" IS 'Which units of resources are held, by the clock of this server.';
COMMENT ON COLUMN "Claims"."pool" IS 'The machine that has the unit.';
COMMENT ON COLUMN "Claims"."owner" IS 'The mer process that holds it; null if it is free.';
COMMENT ON COLUMN "Claims"."validUntil" IS 'When the claim is void, unless it is renewed.';
COMMENT ON COLUMN "Claims"."wantedBy" IS 'A mer process that waits for it.';

-- One row a run that goes on when its mer process ends.
CREATE TABLE "DetachedRuns" (
    "requestUid" uuid NOT NULL,
    "attempt" bigint NOT NULL CHECK ("attempt" >= 1),
    "model" text COLLATE "C" NOT NULL,
    "server" text COLLATE "C" NOT NULL,
    "host" text NOT NULL,
    "bootId" text,
    "folder" text,
    "jobId" text,
    "claim" uuid,
    "startedAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
    "collectBy" timestamptz NOT NULL,
    -- The process that collects it now, and until when that counts.
    "collector" uuid,
    "collectorUntil" timestamptz,
    "params" jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof("params") = 'object'),
    PRIMARY KEY ("requestUid", "attempt")
);
COMMENT ON TABLE "DetachedRuns" IS 'Runs that outlive their caller, until their end was collected.';

-- One row: a number that grows with each change of servers, models and aliases.
CREATE TABLE "RegistryRevision" (
    "one" boolean PRIMARY KEY DEFAULT true CHECK ("one"),
    "revision" bigint NOT NULL DEFAULT 0
);
INSERT INTO "RegistryRevision" DEFAULT VALUES;
COMMENT ON TABLE "RegistryRevision" IS 'One row: grows with each change of servers, models and aliases.';

CREATE FUNCTION "raiseRegistryRevision"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $raise$
BEGIN
    UPDATE "RegistryRevision" SET "revision" = "revision" + 1;
    RETURN NULL;
END
$raise$;
CREATE TRIGGER "raiseRevision" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "AvailableServers"
    FOR EACH STATEMENT EXECUTE FUNCTION "raiseRegistryRevision"();
CREATE TRIGGER "raiseRevision" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "AvailableModels"
    FOR EACH STATEMENT EXECUTE FUNCTION "raiseRegistryRevision"();
CREATE TRIGGER "raiseRevision" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "ModelWeightAliases"
    FOR EACH STATEMENT EXECUTE FUNCTION "raiseRegistryRevision"();
