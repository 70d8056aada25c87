-- What a caller's environment says of the caller (USER, SUDO_USER, SSH_CONNECTION), beside caller, which the system says.

DEFINE FIELD OVERWRITE callerClaims ON ModelAccess TYPE option<object> FLEXIBLE;
