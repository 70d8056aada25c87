-- The access log: one row an attempt.

CREATE TABLE "ModelAccess" (
    "requestUid" uuid NOT NULL,
    "attempt" bigint NOT NULL CHECK ("attempt" >= 1),
    -- Names, not links: the log outlives what it tells of.
    "model" text COLLATE "C" NOT NULL,
    "server" text NOT NULL,
    "kind" text NOT NULL CHECK ("kind" IN ('infer', 'train', 'ping')),
    "protocol" text NOT NULL,
    "weightsVersion" bigint,
    "weightsSha256" text,
    "caller" text NOT NULL,
    "callerPid" bigint NOT NULL,
    "startAccess" timestamptz NOT NULL,
    "stopAccess" timestamptz,
    "status" text NOT NULL
        CHECK ("status" IN ('started', 'succeeded', 'failed', 'timeout', 'cancelled', 'unreachable', 'lost')),
    "exitCode" integer,
    "signal" text,
    "queueMs" double precision,
    "connectMs" double precision,
    "startMs" double precision,
    "runMs" double precision,
    "stdinBytes" bigint NOT NULL,
    "stdoutBytes" bigint NOT NULL,
    "stderrBytes" bigint NOT NULL,
    "stdinSha256" text,
    "stdoutSha256" text,
    "stderrTail" text NOT NULL,
    "error" text,
    CONSTRAINT "oneRowAnAttempt" PRIMARY KEY ("requestUid", "attempt")
);

-- Newest first, of all models and of one. An index entry has room for 2,704 bytes and a name is as long as it likes, so
-- only its beginning is indexed: a row of the log is never refused.
CREATE INDEX "newest" ON "ModelAccess" ("startAccess" DESC);
CREATE INDEX "newestOfModel" ON "ModelAccess" (left("model", 200), "startAccess" DESC);
