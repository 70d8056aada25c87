-- Of a run that goes on: the machine of its `mer`, and until when that is taken for alive. Renewed while it runs.

ALTER TABLE "ModelAccess" ADD COLUMN "host" text, ADD COLUMN "aliveUntil" timestamptz;
CREATE INDEX "stillStarted" ON "ModelAccess" ("aliveUntil") WHERE "status" = 'started';
