-- The bytes of weights, in chunks that equal versions share, and the aliases of versions with their history.

-- How the bytes are laid out: safetensors, npy, raw or json. The record id of a version is [model, version].
DEFINE FIELD OVERWRITE format ON ModelWeights TYPE string;
DEFINE FIELD OVERWRITE note ON ModelWeights TYPE option<string>;
-- What its parts are kept under.
DEFINE FIELD OVERWRITE payload ON ModelWeights TYPE uuid;
DEFINE INDEX OVERWRITE payloadOfVersion ON ModelWeights FIELDS payload UNIQUE;

-- One row a model, its uid the record id: the last version that was given out, so that no number is given twice. Whoever
-- changes versions or aliases of a model changes this row too, so that of two at once one has to begin again.
DEFINE TABLE OVERWRITE ModelWeightCounters SCHEMAFULL;
DEFINE FIELD OVERWRITE model ON ModelWeightCounters TYPE uuid;
DEFINE FIELD OVERWRITE last ON ModelWeightCounters TYPE int DEFAULT 0;
DEFINE FIELD OVERWRITE changes ON ModelWeightCounters TYPE int DEFAULT 0;

-- One row a payload on its way in, its uid the record id. A version takes its place, or it is cleared away.
DEFINE TABLE OVERWRITE ModelWeightUploads SCHEMAFULL;
DEFINE FIELD OVERWRITE uid ON ModelWeightUploads TYPE uuid;
DEFINE FIELD OVERWRITE model ON ModelWeightUploads TYPE uuid;
DEFINE FIELD OVERWRITE touchedAt ON ModelWeightUploads TYPE datetime;

-- One row a chunk that exists; its hash in hexadecimal is the record id. Whoever uses a chunk again touches this row,
-- and whoever clears it away deletes it: of two at once one has to begin again.
DEFINE TABLE OVERWRITE ModelWeightChunks SCHEMAFULL;
DEFINE FIELD OVERWRITE sha256 ON ModelWeightChunks TYPE string;
DEFINE FIELD OVERWRITE bytes ON ModelWeightChunks TYPE int ASSERT $value >= 1;
DEFINE FIELD OVERWRITE touchedAt ON ModelWeightChunks TYPE datetime;

-- Its bytes, by the same record id, which are not written again when it is only touched.
DEFINE TABLE OVERWRITE ModelWeightPayloads SCHEMAFULL;
DEFINE FIELD OVERWRITE sha256 ON ModelWeightPayloads TYPE string;
DEFINE FIELD OVERWRITE payload ON ModelWeightPayloads TYPE bytes;

-- Of which chunks a payload is made, from part 0. The record id is [payload, part].
DEFINE TABLE OVERWRITE ModelWeightParts SCHEMAFULL;
DEFINE FIELD OVERWRITE payload ON ModelWeightParts TYPE uuid;
DEFINE FIELD OVERWRITE part ON ModelWeightParts TYPE int ASSERT $value >= 0;
DEFINE FIELD OVERWRITE sha256 ON ModelWeightParts TYPE string;
DEFINE FIELD OVERWRITE bytes ON ModelWeightParts TYPE int;
DEFINE INDEX OVERWRITE partsOfChunk ON ModelWeightParts FIELDS sha256;

-- One row a name; one without a version was taken away. The record id is [model, name].
DEFINE TABLE OVERWRITE ModelWeightAliases SCHEMAFULL;
DEFINE FIELD OVERWRITE model ON ModelWeightAliases TYPE uuid;
DEFINE FIELD OVERWRITE name ON ModelWeightAliases TYPE string;
DEFINE FIELD OVERWRITE version ON ModelWeightAliases TYPE option<int>;
-- How often it has been moved.
DEFINE FIELD OVERWRITE moves ON ModelWeightAliases TYPE int;

-- One row a move: which version an alias meant from then on. The record id is [model, name, number].
DEFINE TABLE OVERWRITE ModelWeightAliasMoves SCHEMAFULL;
DEFINE FIELD OVERWRITE model ON ModelWeightAliasMoves TYPE uuid;
DEFINE FIELD OVERWRITE name ON ModelWeightAliasMoves TYPE string;
-- From 1.
DEFINE FIELD OVERWRITE number ON ModelWeightAliasMoves TYPE int;
DEFINE FIELD OVERWRITE version ON ModelWeightAliasMoves TYPE option<int>;
DEFINE FIELD OVERWRITE movedAt ON ModelWeightAliasMoves TYPE datetime;
DEFINE FIELD OVERWRITE caller ON ModelWeightAliasMoves TYPE string;
-- The access that moved it.
DEFINE FIELD OVERWRITE requestUid ON ModelWeightAliasMoves TYPE option<uuid>;
