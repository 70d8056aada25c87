-- One row: what this database calls itself. Access journals name the database they belong to by this uid.

CREATE TABLE "DatabaseIdentity" (
    "this" boolean PRIMARY KEY DEFAULT true CHECK ("this"),
    "uid" uuid NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" timestamptz NOT NULL DEFAULT now()
);

INSERT INTO "DatabaseIdentity" DEFAULT VALUES;
