-- The bytes of weights, in chunks that equal versions share, and the aliases of versions with their history.

ALTER TABLE "ModelWeights"
    -- How the bytes are laid out: safetensors, npy, raw or json.
    ADD COLUMN "format" text NOT NULL,
    ADD COLUMN "note" text,
    -- What its parts are kept under.
    ADD COLUMN "payload" uuid NOT NULL UNIQUE;

-- One row a model: the last version that was given out, so that no number is given twice. Whoever changes versions or
-- aliases of a model changes this row first, so that two of them wait for each other.
CREATE TABLE "ModelWeightCounters" (
    "model" uuid PRIMARY KEY,
    "last" bigint NOT NULL DEFAULT 0,
    "changes" bigint NOT NULL DEFAULT 0
);

-- One row a payload on its way in. A version takes its place, or it is cleared away.
CREATE TABLE "ModelWeightUploads" (
    "uid" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "model" uuid NOT NULL,
    "touchedAt" timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row a chunk that exists, by its hash in hexadecimal.
CREATE TABLE "ModelWeightChunks" (
    "sha256" text COLLATE "C" PRIMARY KEY,
    "bytes" bigint NOT NULL CHECK ("bytes" >= 1),
    "touchedAt" timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Its bytes, which are not looked at when it is only asked for.
CREATE TABLE "ModelWeightPayloads" (
    "sha256" text COLLATE "C" PRIMARY KEY REFERENCES "ModelWeightChunks" ON DELETE CASCADE,
    "payload" bytea NOT NULL
);
-- Weights do not compress; trying costs more than storing them.
ALTER TABLE "ModelWeightPayloads" ALTER COLUMN "payload" SET STORAGE EXTERNAL;

-- Of which chunks a payload is made, from part 0.
CREATE TABLE "ModelWeightParts" (
    "payload" uuid NOT NULL,
    "part" bigint NOT NULL CHECK ("part" >= 0),
    "sha256" text COLLATE "C" NOT NULL REFERENCES "ModelWeightChunks",
    "bytes" bigint NOT NULL,
    PRIMARY KEY ("payload", "part")
);
CREATE INDEX "partsOfChunk" ON "ModelWeightParts" ("sha256");

-- One row a name; one without a version was taken away.
CREATE TABLE "ModelWeightAliases" (
    "model" uuid NOT NULL,
    "name" text COLLATE "C" NOT NULL,
    "version" bigint,
    -- How often it has been moved.
    "moves" bigint NOT NULL,
    PRIMARY KEY ("model", "name")
);

-- One row a move: which version an alias meant from then on.
CREATE TABLE "ModelWeightAliasMoves" (
    "model" uuid NOT NULL,
    "name" text COLLATE "C" NOT NULL,
    -- From 1.
    "number" bigint NOT NULL,
    "version" bigint,
    "movedAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
    "caller" text NOT NULL,
    -- The access that moved it.
    "requestUid" uuid,
    PRIMARY KEY ("model", "name", "number")
);
