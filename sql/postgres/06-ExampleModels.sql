-- This machine, and four models to begin with. `mer` as a program means this very binary.

WITH params AS (
    INSERT INTO "ConnTypeParams" ("params") VALUES ('{}') RETURNING "uid"
)
INSERT INTO "AvailableServers" ("name", "connType", "connTypeParams") SELECT 'local', 'local', "uid" FROM params;

WITH new ("uid", "name", "params") AS MATERIALIZED (
    SELECT gen_random_uuid(), given.* FROM (VALUES
        -- Softmax regression on Fisher's irises; may be trained.
        ('iris', jsonb_build_object(
            'inferenceCommand', jsonb_build_array('mer', 'example-model', 'iris'),
            'trainCommand', jsonb_build_array('mer', 'example-model', 'iris', 'train'))),
        -- Its input, byte for byte.
        ('echo', jsonb_build_object(
            'inferenceCommand', jsonb_build_array('mer', 'example-model', 'echo'))),
        -- A process that stays up and answers each line with one line.
        ('upper', jsonb_build_object(
            'protocol', 'lines',
            'inferenceCommand', jsonb_build_array('awk', '-Winteractive', '{ print toupper($0); fflush() }'))),
        -- A process that stays up and marks where an answer begins and ends, as chat models do.
        ('parrot', jsonb_build_object(
            'protocol', 'token',
            'inferenceCommand', jsonb_build_array('python3', '-u', '-c', $python$
import sys
print("@!#READY#!@")
lines = None
for line in sys.stdin:
    word = line.rstrip("\n")
    if word == "@!#EXIT#!@":
        break
    if word == "@!#START#!@":
        lines = []
    elif word == "@!#STOP#!@":
        sys.stdout.write("@!#START#!@\n" + "".join(lines or []) + "@!#STOP#!@\n")
        sys.stdout.flush()
        lines = None
    elif lines is not None:
        lines.append(line)
$python$)))
    ) AS given
), params AS (
    INSERT INTO "ModelParams" ("uid", "params") SELECT "uid", "params" FROM new
)
INSERT INTO "AvailableModels" ("name", "servers", "modelParams")
SELECT new."name", ARRAY[local."uid"], new."uid"
FROM new, "AvailableServers" AS local WHERE local."name" = 'local';
