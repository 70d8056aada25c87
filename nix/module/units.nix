# What every unit has.
{ lib }:
{
  # The words after `mer run`.
  arguments = schedule:
    lib.optionals (schedule.server != null) [ "--server" schedule.server ]
    ++ lib.optionals (schedule.timeout != null) [ "--timeout" schedule.timeout ]
    ++ [ schedule.model ]
    ++ lib.optional (schedule.input != null) schedule.input;

  # A user of no name that exists while a unit runs, a read-only system, no rights. What a model needs beyond that, such as
  # a graphics card (PrivateDevices) or a folder to write to (ReadWritePaths), its schedule's `serviceConfig` gives.
  hardened = {
    Type = "oneshot";
    DynamicUser = true;
    User = "mer";
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
    RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
  };
}
