-- What a caller's environment says of the caller (USER, SUDO_USER, SSH_CONNECTION), beside "caller", which the system says.

ALTER TABLE "ModelAccess" ADD COLUMN "callerClaims" jsonb NOT NULL DEFAULT '{}';
