-- What tables and columns mean, said where it is asked for; links between rows that hold; and the index of what did not
-- succeed.

COMMENT ON TABLE "Migrations" IS 'One row per applied script, written by mer migrate.';
COMMENT ON COLUMN "Migrations"."checksum" IS 'sha256 of the text of the script, in hexadecimal; line ends do not count.';
COMMENT ON COLUMN "Migrations"."durationMs" IS 'Milliseconds.';
COMMENT ON COLUMN "Migrations"."own" IS 'Whether it is an organisation''s own script and none of MER''s.';

COMMENT ON TABLE "DatabaseIdentity" IS 'One row: the uid by which journals know this database. A copy has the same one.';

COMMENT ON TABLE "AvailableServers" IS 'The servers on which models run.';
COMMENT ON COLUMN "AvailableServers"."connType" IS 'local, or ssh.';
COMMENT ON COLUMN "AvailableServers"."connTypeParams" IS 'uid of its row in ConnTypeParams.';
COMMENT ON TABLE "ConnTypeParams" IS 'What varies from server to server: host, port, user, launcher and so on.';

COMMENT ON TABLE "AvailableModels" IS 'The models that can be run.';
COMMENT ON COLUMN "AvailableModels"."servers" IS
    'uids of its servers, in the order in which they are tried; empty means the server local.';
COMMENT ON COLUMN "AvailableModels"."modelParams" IS 'uid of its row in ModelParams.';
COMMENT ON TABLE "ModelParams" IS 'What varies from model to model: protocol, commands, environment, tokens, timeouts.';

COMMENT ON TABLE "ModelAccess" IS 'The access log: one row per attempt of a request. Models and servers by name, since the log outlives them.';
COMMENT ON COLUMN "ModelAccess"."requestUid" IS 'A uid of version 7: it begins with its time.';
COMMENT ON COLUMN "ModelAccess"."attempt" IS 'From 1.';
COMMENT ON COLUMN "ModelAccess"."kind" IS 'infer, train or ping.';
COMMENT ON COLUMN "ModelAccess"."protocol" IS 'oneshot, lines or token.';
COMMENT ON COLUMN "ModelAccess"."weightsVersion" IS 'The version of its weights that the model was given, if any.';
COMMENT ON COLUMN "ModelAccess"."weightsSha256" IS 'sha256 of those weights, in hexadecimal.';
COMMENT ON COLUMN "ModelAccess"."caller" IS 'USER@HOST of the mer process.';
COMMENT ON COLUMN "ModelAccess"."callerPid" IS 'Process id of the mer process.';
COMMENT ON COLUMN "ModelAccess"."startAccess" IS 'By the clock of the caller.';
COMMENT ON COLUMN "ModelAccess"."stopAccess" IS 'By the clock of the caller; null while it goes on.';
COMMENT ON COLUMN "ModelAccess"."status" IS
    'started, succeeded, failed, timeout, cancelled, unreachable, or lost: its mer process died.';
COMMENT ON COLUMN "ModelAccess"."exitCode" IS 'Exit code of the model.';
COMMENT ON COLUMN "ModelAccess"."signal" IS 'Signal that ended the model.';
COMMENT ON COLUMN "ModelAccess"."queueMs" IS 'Milliseconds of waiting for a free process.';
COMMENT ON COLUMN "ModelAccess"."connectMs" IS 'Milliseconds of connecting to the server.';
COMMENT ON COLUMN "ModelAccess"."startMs" IS 'Milliseconds of starting the process.';
COMMENT ON COLUMN "ModelAccess"."runMs" IS 'Milliseconds of running.';
COMMENT ON COLUMN "ModelAccess"."stdinBytes" IS 'Bytes sent to the model.';
COMMENT ON COLUMN "ModelAccess"."stdoutBytes" IS 'Bytes that the model answered.';
COMMENT ON COLUMN "ModelAccess"."stderrBytes" IS 'Bytes that the model wrote to its standard error.';
COMMENT ON COLUMN "ModelAccess"."stdinSha256" IS 'sha256 of what was sent, in hexadecimal.';
COMMENT ON COLUMN "ModelAccess"."stdoutSha256" IS 'sha256 of the answer, in hexadecimal.';
COMMENT ON COLUMN "ModelAccess"."stderrTail" IS 'The last 16 KiB of the standard error.';
COMMENT ON COLUMN "ModelAccess"."error" IS 'What went wrong, in words.';
COMMENT ON COLUMN "ModelAccess"."host" IS 'The machine of the mer process of a run that goes on.';
COMMENT ON COLUMN "ModelAccess"."aliveUntil" IS 'Until when a run that goes on is taken for alive, by the clock of the server.';

COMMENT ON TABLE "ModelWeights" IS 'One row per version of the weights of a model.';
COMMENT ON COLUMN "ModelWeights"."model" IS 'uid of the model.';
COMMENT ON COLUMN "ModelWeights"."version" IS 'From 1. No number is given twice.';
COMMENT ON COLUMN "ModelWeights"."dtype" IS 'Type of the numbers.';
COMMENT ON COLUMN "ModelWeights"."shape" IS 'Shape of the vector.';
COMMENT ON COLUMN "ModelWeights"."bytes" IS 'Length of the payload in bytes.';
COMMENT ON COLUMN "ModelWeights"."sha256" IS 'sha256 of the payload, in hexadecimal.';
COMMENT ON COLUMN "ModelWeights"."parentVersion" IS 'The version from which it was trained.';
COMMENT ON COLUMN "ModelWeights"."requestUid" IS 'With attempt, the access that made it.';
COMMENT ON COLUMN "ModelWeights"."attempt" IS 'With requestUid, the access that made it.';
COMMENT ON COLUMN "ModelWeights"."format" IS 'How the bytes are laid out: safetensors, npy, raw or json.';
COMMENT ON COLUMN "ModelWeights"."payload" IS 'What its parts are kept under in ModelWeightParts.';
COMMENT ON TABLE "ModelWeightCounters" IS 'One row per model: the last number that a version was given.';
COMMENT ON COLUMN "ModelWeightCounters"."changes" IS 'Changed by every writer, so that two of them wait for each other.';
COMMENT ON TABLE "ModelWeightUploads" IS 'One row per payload on its way in; mer weights gc clears away what stays behind.';
COMMENT ON TABLE "ModelWeightChunks" IS 'One row per chunk, by its sha256. Equal versions share chunks.';
COMMENT ON TABLE "ModelWeightPayloads" IS 'The bytes of each chunk.';
COMMENT ON TABLE "ModelWeightParts" IS 'Of which chunks a payload is made.';
COMMENT ON COLUMN "ModelWeightParts"."part" IS 'From 0.';
COMMENT ON TABLE "ModelWeightAliases" IS 'Which version each alias means.';
COMMENT ON COLUMN "ModelWeightAliases"."version" IS 'Null where the alias was taken away.';
COMMENT ON COLUMN "ModelWeightAliases"."moves" IS 'How often it was moved.';
COMMENT ON TABLE "ModelWeightAliasMoves" IS 'The history of each alias: which version it meant from when on.';
COMMENT ON COLUMN "ModelWeightAliasMoves"."number" IS 'From 1, for each alias.';

-- The parts of a payload and its upload are not linked: a payload is an upload first and a version afterwards. Nor are
-- accesses, which are kept, and pruned, apart from what they tell of. Deferred, because an import replaces a model by one
-- with the same uid, and tells the moves of an alias one by one.
ALTER TABLE "ModelWeights" ADD CONSTRAINT "modelOfWeights"
    FOREIGN KEY ("model") REFERENCES "AvailableModels" DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE "ModelWeightAliases" ADD CONSTRAINT "versionOfAlias"
    FOREIGN KEY ("model", "version") REFERENCES "ModelWeights" ("model", "version") DEFERRABLE INITIALLY DEFERRED NOT VALID;
ALTER TABLE "ModelWeightAliasMoves" ADD CONSTRAINT "aliasOfMove"
    FOREIGN KEY ("model", "name") REFERENCES "ModelWeightAliases" DEFERRABLE INITIALLY DEFERRED NOT VALID;

-- What is there already is checked too. Where some of it was changed by hand and breaks a link, the link still holds for
-- what comes, and this migration does not fail.
DO $check$
DECLARE
    link record;
BEGIN
    FOR link IN VALUES ('ModelWeights', 'modelOfWeights'), ('ModelWeightAliases', 'versionOfAlias'),
        ('ModelWeightAliasMoves', 'aliasOfMove')
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE %I VALIDATE CONSTRAINT %I', link.column1, link.column2);
        EXCEPTION WHEN foreign_key_violation THEN
            RAISE WARNING 'rows of % break %: %', link.column1, link.column2, SQLERRM;
        END;
    END LOOP;
END
$check$;

CREATE INDEX "notSucceeded" ON "ModelAccess" ("startAccess" DESC) WHERE "status" <> 'succeeded';
COMMENT ON INDEX "notSucceeded" IS 'What failed, or goes on, the newest first: a small part of the log.';
