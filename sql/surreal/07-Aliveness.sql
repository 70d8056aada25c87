-- Of a run that goes on: the machine of its `mer`, and until when that is taken for alive. Renewed while it runs.

DEFINE FIELD OVERWRITE host ON ModelAccess TYPE option<string>;
DEFINE FIELD OVERWRITE aliveUntil ON ModelAccess TYPE option<datetime>;
-- What the index is over, as with startMicros.
DEFINE FIELD OVERWRITE aliveMicros ON ModelAccess TYPE option<int>
    VALUE IF aliveUntil = NONE { NONE } ELSE { time::micros(aliveUntil) };
DEFINE INDEX OVERWRITE stillStarted ON ModelAccess FIELDS aliveMicros;
