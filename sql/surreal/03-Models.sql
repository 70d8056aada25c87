-- The models and the servers they run on. The record id is the name, which keeps it unique; rows are linked by uid.

DEFINE TABLE OVERWRITE AvailableModels SCHEMAFULL;
DEFINE FIELD OVERWRITE uid ON AvailableModels TYPE uuid DEFAULT rand::uuid::v7() READONLY;
DEFINE FIELD OVERWRITE name ON AvailableModels TYPE string;
DEFINE FIELD OVERWRITE createdAt ON AvailableModels TYPE datetime DEFAULT time::now() READONLY;
DEFINE FIELD OVERWRITE lastUpdated ON AvailableModels TYPE datetime DEFAULT time::now();
-- The uids of its servers, in the order in which they are tried. Empty means the server `local`.
DEFINE FIELD OVERWRITE servers ON AvailableModels TYPE array<uuid> DEFAULT [];
-- The uid of its row in ModelParams, which is also that row's record id.
DEFINE FIELD OVERWRITE modelParams ON AvailableModels TYPE uuid DEFAULT rand::uuid::v7() READONLY;

-- What varies from model to model: protocol, commands, environment, tokens, timeouts, and `on`, what differs on a server.
DEFINE TABLE OVERWRITE ModelParams SCHEMALESS;
DEFINE FIELD OVERWRITE uid ON ModelParams TYPE uuid;
