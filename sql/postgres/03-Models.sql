-- The models and the servers they run on. Rows are linked by uid.

-- What varies from model to model: protocol, commands, environment, tokens, timeouts, and `on`, what differs on a server.
CREATE TABLE "ModelParams" (
    "uid" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "params" jsonb NOT NULL CHECK (jsonb_typeof("params") = 'object')
);

CREATE TABLE "AvailableModels" (
    "uid" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "name" text COLLATE "C" NOT NULL UNIQUE,
    "createdAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
    "lastUpdated" timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The uids of its servers, in the order in which they are tried. Empty means the server `local`.
    "servers" uuid[] NOT NULL DEFAULT '{}' CHECK (array_position("servers", NULL) IS NULL),
    -- Made here, and the row in ModelParams with it in the same statement.
    "modelParams" uuid NOT NULL UNIQUE DEFAULT gen_random_uuid() REFERENCES "ModelParams"
);
