-- One row: what this database calls itself. Access journals name the database they belong to by this uid.
--
-- OVERWRITE throughout: IF NOT EXISTS does nothing to a table that a mere write has brought into being without a schema.

DEFINE TABLE OVERWRITE DatabaseIdentity SCHEMAFULL;
DEFINE FIELD OVERWRITE uid ON DatabaseIdentity TYPE uuid DEFAULT rand::uuid::v7() READONLY;
DEFINE FIELD OVERWRITE createdAt ON DatabaseIdentity TYPE datetime DEFAULT time::now() READONLY;

CREATE DatabaseIdentity:this;
