-- One row a version of a model's weights. Payload and aliases have tables of their own.

CREATE TABLE "ModelWeights" (
    "uid" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The uid of the model.
    "model" uuid NOT NULL,
    "version" bigint NOT NULL CHECK ("version" >= 1),
    "dtype" text,
    "shape" bigint[],
    "bytes" bigint NOT NULL CHECK ("bytes" >= 0),
    "sha256" text NOT NULL,
    "parentVersion" bigint,
    -- The access that made it.
    "requestUid" uuid,
    "attempt" bigint,
    "createdAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT "versionOfModel" UNIQUE ("model", "version")
);
