# The module evaluated, and what must hold of it. Gives a text, or fails.
{ pkgs, lib, nixpkgs, module }:
let
  system = pkgs.stdenv.hostPlatform.system;
  with_ = mer: (nixpkgs.lib.nixosSystem {
    inherit system;
    modules = [ module { services.mer = { enable = true; } // mer; system.stateVersion = "26.05"; } ];
  }).config;

  nightly = { model = "sentiment"; input = "100% $HOME \"x\""; onCalendar = "02:00"; };

  full = with_ {
    settings = { db = "postgres://mer@db.example.org/mer"; dbWait = "2m"; hashes = false; };
    credentials.driver = "/run/keys/mer-driver.toml";
    credentials.migrations = "/run/keys/mer-migrations.toml";
    databaseUnits = [ "postgresql.service" ];
    registry.models.sentiment.inferenceCommand = [ "cat" ];
    schedules.nightly = nightly // { timeout = "5m"; serviceConfig.PrivateDevices = false; };
  };
  plain = with_ { schedules.hourly = { model = "iris"; onCalendar = "hourly"; }; };
  off = with_ { enable = false; schedules.nightly = nightly; };

  unit = name: full.systemd.services.${name};
  exec = name: (unit name).serviceConfig.ExecStart;
  has = part: text: builtins.match ".*${lib.escapeRegex part}.*" text != null;
  read = u: builtins.deepSeq [ u.serviceConfig u.environment ] true;
  refused = mer: !(builtins.tryEval (read (with_ mer).systemd.services.mer-nightly)).success;
  faults = config: builtins.filter (a: !a.assertion && lib.hasPrefix "services.mer" a.message) config.assertions;

  must = {
    "a schedule is a service and a timer" =
      full.systemd.timers.mer-nightly.timerConfig.OnCalendar == "02:00" && has "/bin/mer" (exec "mer-nightly");
    "what is missed is made up for" = full.systemd.timers.mer-nightly.timerConfig.Persistent;
    "nothing in an input means anything to systemd" =
      has ''run --quiet "--timeout" "5m" "sentiment" "100%% $$HOME \"x\""'' (exec "mer-nightly");
    "a run comes after the migrations and the registry" =
      builtins.all (u: builtins.elem u (unit "mer-nightly").after && builtins.elem u (unit "mer-nightly").requires)
        [ "mer-migrate.service" "mer-registry.service" ];
    "everything comes after the database" =
      builtins.all (name: builtins.elem "postgresql.service" (unit name).after) [ "mer-migrate" "mer-registry" "mer-nightly" ];
    "the migrations are the other program" = has "/bin/mer-migrations --config %d/mer.toml" (exec "mer-migrate");
    "each gets its own secret and no other" =
      (unit "mer-migrate").serviceConfig.LoadCredential == [ "mer.toml:/run/keys/mer-migrations.toml" ]
      && (unit "mer-nightly").serviceConfig.LoadCredential == [ "mer.toml:/run/keys/mer-driver.toml" ];
    "settings become variables" =
      (unit "mer-nightly").environment.MER_DB_WAIT == "2m" && (unit "mer-nightly").environment.MER_HASHES == "false";
    "units are hardened" =
      builtins.all (name: let s = (unit name).serviceConfig; in s.DynamicUser && s.ProtectSystem == "strict" && s.NoNewPrivileges)
        [ "mer-migrate" "mer-registry" "mer-nightly" ];
    "a schedule may differ" = !(unit "mer-nightly").serviceConfig.PrivateDevices && (unit "mer-migrate").serviceConfig.PrivateDevices;
    "without credentials nothing is loaded" =
      plain.systemd.services.mer-hourly.serviceConfig.LoadCredential == [ ]
      && !(has "--config" plain.systemd.services.mer-hourly.serviceConfig.ExecStart);
    "without a registry there is no such unit" = !(plain.systemd.services ? mer-registry);
    "a good configuration has no fault" = faults full == [ ] && faults plain == [ ];
    "a password in the settings is refused" = faults (with_ { settings.driverDbPassword = "x"; }) != [ ];
    "a secret in the store is refused" = faults (with_ { credentials.driver = "${builtins.storeDir}/x"; }) != [ ];
    "an unknown key of a schedule is refused" = refused { schedules.nightly = nightly // { when = "02:00"; }; };
    "a schedule without a time is refused" = !(builtins.tryEval (builtins.deepSeq
      (with_ { schedules.nightly.model = "iris"; }).systemd.timers.mer-nightly.timerConfig true)).success;
    "a setting is a text, a number or a switch" = refused { settings.db = [ ]; schedules.nightly = nightly; };
    "off means nothing" = !((off.systemd.services or { }) ? mer-nightly);
  };
  broken = builtins.filter (what: !must.${what}) (builtins.attrNames must);
in
if broken == [ ] then "${toString (builtins.length (builtins.attrNames must))} assertions hold\n"
else throw "nix/module: this does not hold: ${builtins.concatStringsSep "; " broken}"
