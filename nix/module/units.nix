# What every unit has.
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

  # A read-only system, and no rights. What a model needs beyond that, such as a graphics card (PrivateDevices) or a folder to
  # write to (ReadWritePaths), its schedule's `serviceConfig` gives. Single values are defaults, which a plain value replaces;
  # lists are added to.
  hardened = lib.mapAttrs (_: value: if builtins.isList value then value else lib.mkDefault value) {
    Type = "oneshot";
    User = "mer";
    Group = "mer";
    StateDirectory = "mer";
    StateDirectoryMode = "0700";
    CacheDirectory = "mer";
    CacheDirectoryMode = "0700";
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
    # The second is asked for by `mer` alone, to reach a SurrealDB server without a delay.
    SystemCallFilter = [ "@system-service" "pidfd_getfd" ];
  };
}
