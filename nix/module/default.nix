# `nixosModules.default`: migrations as a service that runs once, and model runs as services and timers after it.
{ packageFor }:
{ config, lib, pkgs, ... }:
let
  cfg = config.services.mer;
  inherit (import ./lib.nix { inherit lib; }) command environment;
  units = import ./units.nix { inherit lib; };

  # Settings and registry are handed to the binary while the system is built: a typing error fails there, not at night.
  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
  checked = name: value: check:
    let file = (pkgs.formats.toml { }).generate name value; in
    pkgs.runCommand "checked-${name}" { } ''
      export HOME="$TMPDIR" file=${file}
      ${lib.optionalString canRun (check "${cfg.package}/bin/mer")}
      cp "$file" "$out"
    '';
  settingsFile = checked "mer.toml" cfg.settings (mer: ''${mer} --config "$file" config show >/dev/null'');
  registryFile = checked "registry.toml" cfg.registry
    (mer: ''${mer} --db mem:// --allow-model-server-runtime-changes apply "$file"'');

  # `--config` stands for the settings files: what it does not say comes from the unit's environment.
  secrets = which: lib.optionalString (cfg.credentials.${which} != null) " --config %d/mer.toml";
  load = which: lib.optional (cfg.credentials.${which} != null) "mer.toml:${cfg.credentials.${which}}";

  unit = which: description: extra: {
    inherit description;
    after = [ "network-online.target" ] ++ cfg.databaseUnits ++ extra.after or [ ];
    wants = [ "network-online.target" ] ++ cfg.databaseUnits;
    requires = extra.requires or [ ];
    wantedBy = extra.wantedBy or [ ];
    path = extra.path or [ ];
    environment = environment cfg.settings // {
      MER_DATA_DIR = "/var/lib/mer";
      MER_STATE_DIR = "/var/lib/mer";
      MER_CACHE_DIR = "/var/cache/mer";
    };
    serviceConfig = units.hardened // { LoadCredential = load which; } // extra.serviceConfig;
  };

  # A driver's unit, after the migrations.
  driver = description: extra: unit "driver" description (extra // {
    after = [ "mer-migrate.service" ] ++ extra.after or [ ];
    requires = [ "mer-migrate.service" ] ++ extra.requires or [ ];
  });

  withRegistry = cfg.registry != { };

  run = name: schedule: driver "MER: ${schedule.model} (${name})" {
    after = lib.optional withRegistry "mer-registry.service";
    requires = lib.optional withRegistry "mer-registry.service";
    path = cfg.path ++ schedule.path;
    serviceConfig = {
      ExecStart = "${cfg.package}/bin/mer${secrets "driver"} run --quiet "
        + command (units.arguments schedule);
      # The run has a bound of its own, and what comes after it: `mer` ends its models.
      TimeoutStartSec = "infinity";
    } // schedule.serviceConfig;
  };
in
{
  options.services.mer = import ./options.nix { inherit lib pkgs packageFor; };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.etc."mer/mer.toml".source = settingsFile;

    assertions = [
      {
        assertion = builtins.all (path: path == null || !lib.hasPrefix builtins.storeDir path)
          [ cfg.credentials.driver cfg.credentials.migrations ];
        message = "services.mer.credentials: a path in the Nix store can be read by everybody";
      }
      {
        assertion = !(builtins.any (lib.hasSuffix "Password") (builtins.attrNames cfg.settings));
        message = "services.mer.settings would put a password into the Nix store: use services.mer.credentials";
      }
    ];

    systemd.services = {
      mer-migrate = unit "migrations" "MER: schema of the database" {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/mer-migrations${secrets "migrations"} --quiet";
          RemainAfterExit = true;
        };
      };
    }
    // lib.optionalAttrs withRegistry {
      mer-registry = driver "MER: servers and models" {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/mer${secrets "driver"} --quiet --allow-model-server-runtime-changes apply ${registryFile}";
          RemainAfterExit = true;
        };
      };
    }
    // lib.mapAttrs' (name: schedule: lib.nameValuePair "mer-${name}" (run name schedule)) cfg.schedules;

    systemd.timers = lib.mapAttrs' (name: schedule: lib.nameValuePair "mer-${name}" {
      description = "MER: ${schedule.model} (${name})";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = schedule.onCalendar;
        Persistent = schedule.persistent;
        RandomizedDelaySec = schedule.randomizedDelay;
      };
    }) cfg.schedules;
  };
}
