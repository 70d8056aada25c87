-- Where models run. The record id is the name, which keeps it unique; rows are linked by uid.

DEFINE TABLE OVERWRITE AvailableServers SCHEMAFULL;
DEFINE FIELD OVERWRITE uid ON AvailableServers TYPE uuid DEFAULT rand::uuid::v7() READONLY;
DEFINE FIELD OVERWRITE name ON AvailableServers TYPE string;
DEFINE FIELD OVERWRITE connType ON AvailableServers TYPE string ASSERT $value IN ['local', 'ssh'];
DEFINE FIELD OVERWRITE createdAt ON AvailableServers TYPE datetime DEFAULT time::now() READONLY;
DEFINE FIELD OVERWRITE lastUpdated ON AvailableServers TYPE datetime DEFAULT time::now();
-- The uid of its row in ConnTypeParams, which is also that row's record id.
DEFINE FIELD OVERWRITE connTypeParams ON AvailableServers TYPE uuid DEFAULT rand::uuid::v7() READONLY;

-- What varies from server to server: host, port, user, launcher, …
DEFINE TABLE OVERWRITE ConnTypeParams SCHEMALESS;
DEFINE FIELD OVERWRITE uid ON ConnTypeParams TYPE uuid;
