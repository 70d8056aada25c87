# Properties of every unit.
{ lib }:
{
  # The words after `mer run` or `mer train`.
  arguments = schedule:
    lib.optionals (schedule.server != null) [ "--server" schedule.server ]
    ++ lib.optionals (schedule.timeout != null) [ "--timeout" schedule.timeout ]
    ++ lib.optionals (schedule.output != null) [ "--output" (toString schedule.output) ]
    ++ schedule.arguments
    ++ [ schedule.model ]
    ++ lib.optional (schedule.input != null) schedule.input;

  # A read-only system without privileges. If a model needs more, such as a graphics card (PrivateDevices) or a folder to write to
  # (ReadWritePaths), set it in the `serviceConfig` of its schedule. Single values are defaults that a plain value replaces; lists
  # are extended.
  hardened = lib.mapAttrs (_: value: if builtins.isList value then value else lib.mkDefault value) {
    Type = "oneshot";
    User = "mer";
    Group = "mer";
    StateDirectory = "mer";
    StateDirectoryMode = "0700";
    CacheDirectory = "mer";
    CacheDirectoryMode = "0700";
    RuntimeDirectory = "mer";
    RuntimeDirectoryMode = "0700";
    # The socket of the resident and the locks of other units are in it.
    RuntimeDirectoryPreserve = "yes";
    WorkingDirectory = "/var/lib/mer";
    UMask = "0077";

    CapabilityBoundingSet = "";
    LockPersonality = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    # Only `mer` uses the second, to connect to a SurrealDB server without a delay.
    SystemCallFilter = [ "@system-service" "pidfd_getfd" ];
  };
}
