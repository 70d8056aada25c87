# The options of NixOS that the module sets, with their types in NixOS.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  names = option (types.listOf types.str) [ ];
  section = option (types.attrsOf lib.unitOption) { };
  unit = {
    description = option types.str "";
    after = names;
    before = names;
    wants = names;
    requires = names;
    wantedBy = names;
    onFailure = names;
    restartIfChanged = option types.bool true;
  };
in
{
  options = {
    assertions = option (types.listOf types.attrs) [ ];
    warnings = option (types.listOf types.str) [ ];
    system.stateVersion = option types.str "";
    environment.systemPackages = option (types.listOf types.package) [ ];
    environment.etc = option (types.attrsOf (types.submodule { options.source = mkOption { type = types.path; }; })) { };
    users.users = option (types.attrsOf (types.submodule {
      options = {
        isSystemUser = option types.bool false;
        group = option types.str "";
        home = option types.str "/var/empty";
        description = option types.str "";
      };
    })) { };
    users.groups = option (types.attrsOf (types.submodule { options = { }; })) { };
    systemd.services = option (types.attrsOf (types.submodule {
      options = unit // {
        path = option (types.listOf types.package) [ ];
        environment = option (types.attrsOf types.str) { };
        serviceConfig = section;
      };
    })) { };
    systemd.sockets = option (types.attrsOf (types.submodule { options = unit // { socketConfig = section; }; })) { };
    systemd.tmpfiles.rules = names;
    systemd.timers = option (types.attrsOf (types.submodule { options = unit // { timerConfig = section; }; })) { };
  };
}
