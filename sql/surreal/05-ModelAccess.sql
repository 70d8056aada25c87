-- The access log: one row an attempt. The record id is [requestUid, attempt], which keeps it unique.

DEFINE TABLE OVERWRITE ModelAccess SCHEMAFULL;
DEFINE FIELD OVERWRITE requestUid ON ModelAccess TYPE uuid;
DEFINE FIELD OVERWRITE attempt ON ModelAccess TYPE int ASSERT $value >= 1;
-- Names, not links: the log outlives what it tells of.
DEFINE FIELD OVERWRITE model ON ModelAccess TYPE string;
DEFINE FIELD OVERWRITE server ON ModelAccess TYPE string;
DEFINE FIELD OVERWRITE kind ON ModelAccess TYPE string ASSERT $value IN ['infer', 'train', 'ping'];
DEFINE FIELD OVERWRITE protocol ON ModelAccess TYPE string;
DEFINE FIELD OVERWRITE weightsVersion ON ModelAccess TYPE option<int>;
DEFINE FIELD OVERWRITE weightsSha256 ON ModelAccess TYPE option<string>;
DEFINE FIELD OVERWRITE caller ON ModelAccess TYPE string;
DEFINE FIELD OVERWRITE callerPid ON ModelAccess TYPE int;
DEFINE FIELD OVERWRITE startAccess ON ModelAccess TYPE datetime;
DEFINE FIELD OVERWRITE stopAccess ON ModelAccess TYPE option<datetime>;
DEFINE FIELD OVERWRITE status ON ModelAccess TYPE string
    ASSERT $value IN ['started', 'succeeded', 'failed', 'timeout', 'cancelled', 'unreachable', 'lost'];
DEFINE FIELD OVERWRITE exitCode ON ModelAccess TYPE option<int>;
DEFINE FIELD OVERWRITE signal ON ModelAccess TYPE option<string>;
DEFINE FIELD OVERWRITE queueMs ON ModelAccess TYPE option<float>;
DEFINE FIELD OVERWRITE connectMs ON ModelAccess TYPE option<float>;
DEFINE FIELD OVERWRITE startMs ON ModelAccess TYPE option<float>;
DEFINE FIELD OVERWRITE runMs ON ModelAccess TYPE option<float>;
DEFINE FIELD OVERWRITE stdinBytes ON ModelAccess TYPE int;
DEFINE FIELD OVERWRITE stdoutBytes ON ModelAccess TYPE int;
DEFINE FIELD OVERWRITE stderrBytes ON ModelAccess TYPE int;
DEFINE FIELD OVERWRITE stdinSha256 ON ModelAccess TYPE option<string>;
DEFINE FIELD OVERWRITE stdoutSha256 ON ModelAccess TYPE option<string>;
DEFINE FIELD OVERWRITE stderrTail ON ModelAccess TYPE string;
DEFINE FIELD OVERWRITE error ON ModelAccess TYPE option<string>;

-- Newest first, of all models and of one. Not over startAccess itself: in an index of this engine (3.3.5) times stand as
-- text without trailing zeros, where 20Z comes after 20.5Z.
DEFINE FIELD OVERWRITE startMicros ON ModelAccess TYPE int VALUE time::micros(startAccess);
DEFINE INDEX OVERWRITE newest ON ModelAccess FIELDS startMicros;
DEFINE INDEX OVERWRITE newestOfModel ON ModelAccess FIELDS model, startMicros;
