# `nixosModules.default`: a service that migrates once, and services and timers that run models after it.
{ packageFor }:
{ config, lib, pkgs, utils, ... }:
let
  cfg = config.services.mer;
  texts = import ./lib.nix { inherit lib; };
  units = import ./units.nix { inherit lib; };
  toml = pkgs.formats.toml { };

  # The binary checks settings and registry while the system is built, so that a typing error fails the build, not a run at night.
  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
  checked = name: value: check:
    let file = toml.generate name value; in
    pkgs.runCommand "checked-${name}" { } ''
      export HOME="$TMPDIR" file=${file}
      ${lib.optionalString canRun (check "${cfg.package}/bin/mer")}
      cp "$file" "$out"
    '';
  settingsFile = checked "mer.toml" cfg.settings (mer: ''${mer} --config "$file" config show >/dev/null'');
  registryFile = checked "registry.toml" cfg.registry
    (mer: ''${mer} --db mem:// --allow-model-server-runtime-changes apply "$file"'');

  # The environment of every unit. The module sets the folders (StateDirectory); the assertions refuse other ones.
  variables = texts.variables cfg.settings // {
    HOME = "/var/lib/mer";
    MER_DATA_DIR = "/var/lib/mer";
    MER_STATE_DIR = "/var/lib/mer";
    MER_CACHE_DIR = "/var/cache/mer";
    MER_RUNTIME_DIR = "/run/mer";
  };

  # `--config` replaces the settings files; all other settings come from the unit's environment.
  config' = which: lib.optionalString (cfg.credentials.${which} != null) " --config %d/mer.toml";
  load = which:
    lib.optional (cfg.credentials.${which} != null) "mer.toml:${cfg.credentials.${which}}"
    ++ lib.mapAttrsToList (name: path: "${name}:${path}") cfg.credentials.files;

  # `more` is merged by the rules of NixOS: lists are joined, and a plain value replaces a default of this module.
  unit = which: description: more: lib.mkMerge [
    {
      inherit description;
      after = [ "network-online.target" ] ++ cfg.databaseUnits;
      wants = [ "network-online.target" ] ++ cfg.databaseUnits;
      environment = lib.mapAttrs (_: texts.specifiers) variables;
      serviceConfig = lib.mkMerge [ units.hardened { LoadCredential = load which; } ];
    }
    more
  ];

  # Units of the driver come after the migrations. Not `requires`, because a restart of the migrations would end a run.
  afterwards = [ "mer-migrate.service" ] ++ lib.optional withRegistry "mer-registry.service";
  withRegistry = cfg.registry != { };
  driver = "${cfg.package}/bin/mer${config' "driver"}";

  resident = unit "driver" "MER: models that stay warm" {
    after = afterwards;
    wants = afterwards;
    wantedBy = lib.optional (cfg.resident.socket == null) "multi-user.target";
    path = cfg.path ++ cfg.resident.path;
    serviceConfig = lib.mkMerge [
      {
        Type = "notify";
        ExecStart = "${driver} serve " + texts.command (lib.concatMap (model: [ "--preload" model ]) cfg.resident.preload);
        # `mer` ends its models itself, each within its grace period.
        KillMode = lib.mkDefault "mixed";
        # Each start of a model has its own bounds.
        TimeoutStartSec = lib.mkDefault "infinity";
        TimeoutStopSec = lib.mkDefault "2min";
        Restart = lib.mkDefault "on-failure";
      }
      cfg.resident.serviceConfig
    ];
  };

  run = name: schedule: unit "driver" "MER: ${schedule.model} (${name})" {
    after = afterwards ++ lib.optional cfg.resident.enable "mer-resident.service";
    wants = afterwards;
    onFailure = schedule.onFailure;
    # A new generation of the system does not end a run in progress.
    restartIfChanged = false;
    path = cfg.path ++ schedule.path;
    serviceConfig = lib.mkMerge [
      {
        ExecStart = "${driver} ${schedule.command} --quiet " + texts.command (units.arguments schedule);
        # The run has its own bounds, and `mer` ends its models.
        TimeoutStartSec = lib.mkDefault "infinity";
        ReadWritePaths = lib.optional (schedule.output != null) (dirOf schedule.output);
      }
      schedule.serviceConfig
    ];
  };

  timer = description: schedule: {
    inherit description;
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnCalendar = schedule.onCalendar;
      Persistent = schedule.persistent;
      RandomizedDelaySec = schedule.randomizedDelay;
    };
  };

  # `mer` with the user, the folders, the settings and the secrets of the service. Plain `mer`, called by root, uses root's own
  # database.
  wrapper = pkgs.writeShellApplication {
    name = "mer-service";
    text = ''
      if [ "$(id -u)" != 0 ]; then
        echo "mer-service: only root may run commands as the service's user" >&2
        exit 77
      fi
      how=--pipe
      if [ -t 0 ] && [ -t 1 ]; then how=--pty; fi
      # shellcheck disable=SC2016 # The inner shell reads the variable.
      exec systemd-run --quiet --wait --collect "$how" --service-type=exec --expand-environment=no \
        --property=User=mer --property=Group=mer --property=WorkingDirectory=/var/lib/mer --property=UMask=0077 \
        --property=StateDirectory=mer --property=CacheDirectory=mer \
        --property=RuntimeDirectory=mer --property=RuntimeDirectoryMode=0700 --property=RuntimeDirectoryPreserve=yes \
        ${lib.concatMapStringsSep " " (item: lib.escapeShellArg "--property=LoadCredential=${item}") (load "driver")} \
        ${lib.escapeShellArgs (lib.mapAttrsToList (name: value: "--setenv=${name}=${value}") variables)} \
        -- ${pkgs.bash}/bin/bash -c 'exec "$0"${lib.optionalString (cfg.credentials.driver != null) '' --config "$CREDENTIALS_DIRECTORY/mer.toml"''} "$@"' \
        ${cfg.package}/bin/mer "$@"
    '';
  };
in
{
  options.services.mer = import ./options.nix { inherit lib pkgs utils packageFor; };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package wrapper ];
    environment.etc."mer/mer.toml".source = settingsFile;

    # A permanent user, so that files keep their owner, and root can run commands as that user.
    users.users.mer = { isSystemUser = true; group = "mer"; home = "/var/lib/mer"; description = "MER"; };
    users.groups.mer = { };

    assertions = import ./assertions.nix { inherit lib cfg; };

    systemd.services = lib.mkMerge [
      {
        mer-migrate = unit "migrations" "MER: schema of the database" {
          wantedBy = [ "multi-user.target" ];
          serviceConfig = {
            ExecStart = "${cfg.package}/bin/mer-migrations${config' "migrations"} --quiet";
            RemainAfterExit = true;
          };
        };
      }
      (lib.mkIf withRegistry {
        mer-registry = unit "driver" "MER: servers and models" {
          after = [ "mer-migrate.service" ];
          wants = [ "mer-migrate.service" ];
          wantedBy = [ "multi-user.target" ];
          serviceConfig = {
            ExecStart = "${driver} --quiet --allow-model-server-runtime-changes apply ${registryFile}";
            RemainAfterExit = true;
          };
        };
      })
      (lib.mkIf cfg.resident.enable { mer-resident = resident; })
      (lib.mkIf cfg.gc.enable {
        mer-gc = unit "driver" "MER: bytes of weights that no version has" {
          after = [ "mer-migrate.service" ];
          wants = [ "mer-migrate.service" ];
          restartIfChanged = false;
          serviceConfig.ExecStart = "${driver} weights gc --quiet";
        };
      })
      (lib.mkIf (cfg.prune.olderThan != null) {
        mer-prune = unit "migrations" "MER: old accesses" {
          after = [ "mer-migrate.service" ];
          wants = [ "mer-migrate.service" ];
          restartIfChanged = false;
          serviceConfig.ExecStart = "${cfg.package}/bin/mer${config' "migrations"} log prune --quiet "
            + texts.command ([ "--older-than" cfg.prune.olderThan ]
              ++ lib.optionals (cfg.prune.keep != null) [ "--keep" (toString cfg.prune.keep) ]);
        };
      })
      (lib.mapAttrs' (name: schedule: lib.nameValuePair "mer-run-${name}" (run name schedule)) cfg.schedules)
    ];

    # Its socket exists before any unit of MER has run.
    systemd.tmpfiles.rules = [ "d /run/mer 0700 mer mer -" ];
    systemd.sockets = lib.mkIf (cfg.resident.enable && cfg.resident.socket != null) {
      mer-resident = {
        description = "MER: socket of the resident";
        wantedBy = [ "sockets.target" ];
        socketConfig = {
          ListenStream = "/run/mer/${cfg.resident.socket}.sock";
          SocketUser = "mer";
          SocketGroup = "mer";
          SocketMode = "0600";
        };
      };
    };

    systemd.timers = lib.mkMerge [
      (lib.mkIf cfg.gc.enable { mer-gc = timer "MER: bytes of weights that no version has" cfg.gc; })
      (lib.mkIf (cfg.prune.olderThan != null) { mer-prune = timer "MER: old accesses" cfg.prune; })
      (lib.mapAttrs' (name: schedule:
        lib.nameValuePair "mer-run-${name}" (timer "MER: ${schedule.model} (${name})" schedule)) cfg.schedules)
    ];
  };
}
