-- Where models run. Names are compared byte by byte, whatever the database's collation; rows are linked by uid.

-- What varies from server to server: host, port, user, launcher, …
CREATE TABLE "ConnTypeParams" (
    "uid" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "params" jsonb NOT NULL CHECK (jsonb_typeof("params") = 'object')
);

CREATE TABLE "AvailableServers" (
    "uid" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "name" text COLLATE "C" NOT NULL UNIQUE,
    "connType" text NOT NULL CHECK ("connType" IN ('local', 'ssh')),
    "createdAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
    "lastUpdated" timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Made here, and the row in ConnTypeParams with it in the same statement.
    "connTypeParams" uuid NOT NULL UNIQUE DEFAULT gen_random_uuid() REFERENCES "ConnTypeParams"
);
