-- One row a version of a model's weights. Payload and aliases have tables of their own.

DEFINE TABLE OVERWRITE ModelWeights SCHEMAFULL;
DEFINE FIELD OVERWRITE uid ON ModelWeights TYPE uuid DEFAULT rand::uuid::v7() READONLY;
-- The uid of the model.
DEFINE FIELD OVERWRITE model ON ModelWeights TYPE uuid;
DEFINE FIELD OVERWRITE version ON ModelWeights TYPE int ASSERT $value >= 1;
DEFINE FIELD OVERWRITE dtype ON ModelWeights TYPE option<string>;
DEFINE FIELD OVERWRITE shape ON ModelWeights TYPE option<array<int>>;
DEFINE FIELD OVERWRITE bytes ON ModelWeights TYPE int ASSERT $value >= 0;
DEFINE FIELD OVERWRITE sha256 ON ModelWeights TYPE string;
DEFINE FIELD OVERWRITE parentVersion ON ModelWeights TYPE option<int>;
-- The access that made it.
DEFINE FIELD OVERWRITE requestUid ON ModelWeights TYPE option<uuid>;
DEFINE FIELD OVERWRITE attempt ON ModelWeights TYPE option<int>;
DEFINE FIELD OVERWRITE createdAt ON ModelWeights TYPE datetime DEFAULT time::now() READONLY;

DEFINE INDEX OVERWRITE versionOfModel ON ModelWeights FIELDS model, version UNIQUE;
