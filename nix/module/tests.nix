# Evaluates the module and checks its properties. Returns a text, or fails.
{ pkgs, lib, nixpkgs, module }:
let
  system = pkgs.stdenv.hostPlatform.system;
  with' = modules: (nixpkgs.lib.nixosSystem {
    inherit system;
    modules = [ module { system.stateVersion = "26.05"; services.mer.enable = lib.mkDefault true; } ] ++ modules;
  }).config;
  with_ = mer: with' [ { services.mer = mer; } ];

  nightly = { model = "sentiment"; input = "100% $HOME \"x\""; onCalendar = "02:00"; };

  full = with_ {
    settings = { db = "postgres://u%40x@db.example.org/mer"; dbWait = "2m"; hashes = false; };
    credentials.driver = "/run/keys/mer-driver.toml";
    credentials.migrations = "/run/keys/mer-migrations.toml";
    credentials.files.id_ed25519 = "/run/keys/mer-ssh";
    databaseUnits = [ "postgresql.target" ];
    registry.models.sentiment.inferenceCommand = [ "cat" ];
    schedules.nightly = nightly // {
      timeout = "5m";
      onFailure = [ "tell@%n.service" ];
      serviceConfig = { PrivateDevices = false; LoadCredential = [ "mine:/run/keys/mine" ]; };
    };
    schedules.teach = { model = "iris"; command = "train"; arguments = [ "--promote" ]; input = "@/srv/data"; onCalendar = [ "Mon" "Thu" ]; };
    schedules.file = { model = "iris"; output = "/srv/out/answer"; onCalendar = "daily"; };
    # Schedules may have the names of the module's own units, because their units have a prefix.
    schedules.migrate = nightly;
    schedules.registry = nightly;
  };
  resident = with_ {
    settings.resources = { slots = 4; gpu = [ "0" "1" ]; one = [ "a" ]; };
    resident = { enable = true; preload = [ "chat" "iris:3" ]; serviceConfig.PrivateDevices = false; };
    schedules.nightly = nightly;
  };
  pruned = with_ { prune = { olderThan = "90d"; keep = 1000; }; };
  activated = with_ { resident = { enable = true; socket = "0123456789abcdef"; }; };
  plain = with_ { schedules.hourly = { model = "iris"; onCalendar = "hourly"; }; gc.enable = false; };
  off = with_ { enable = false; schedules.nightly = nightly; };
  twice = with' [ module { services.mer.schedules.nightly = nightly; } ];

  # Several modules, each with a part of the configuration, some of it conditional.
  parts = with' [
    { services.mer.registry.models.a.inferenceCommand = [ "a" ]; }
    { services.mer.registry.models.b = { inferenceCommand = [ "b" ]; env.X = "1"; }; }
    ({ lib, ... }: {
      services.mer.registry.models.b.env.Y = lib.mkIf true "2";
      services.mer.registry.models.c = lib.mkIf false { inferenceCommand = [ "c" ]; };
      services.mer.registry.servers.far = lib.mkIf true { connType = "ssh"; host = "far"; };
    })
    { services.mer.schedules.nightly = nightly // { serviceConfig.SupplementaryGroups = [ "video" ]; }; }
    { services.mer.schedules.nightly.serviceConfig = { SupplementaryGroups = [ "audio" ]; Nice = lib.mkIf true 5; }; }
  ];
  merged = parts.services.mer.registry;

  unit = name: full.systemd.services.${name};
  exec = name: (unit name).serviceConfig.ExecStart;
  has = part: text: builtins.match ".*${lib.escapeRegex part}.*" text != null;
  units = builtins.attrNames full.systemd.services;
  runs = builtins.filter (lib.hasPrefix "mer-run-") units;
  read = u: builtins.deepSeq [ u.serviceConfig u.environment ] true;
  fails = value: !(builtins.tryEval (builtins.deepSeq value true)).success;
  refused = mer: fails (read (with_ mer).systemd.services.mer-run-nightly);
  faults = config: builtins.filter (a: !a.assertion && lib.hasPrefix "services.mer" a.message) config.assertions;
  faulty = mer: faults (with_ mer) != [ ];
  named = name: faulty { schedules.${name} = nightly; };

  must = {
    "a schedule is a service and a timer" =
      full.systemd.timers.mer-run-nightly.timerConfig.OnCalendar == "02:00" && has "/bin/mer" (exec "mer-run-nightly");
    "a timer may have several times" = full.systemd.timers.mer-run-teach.timerConfig.OnCalendar == [ "Mon" "Thu" ];
    "a missed run is run later" = full.systemd.timers.mer-run-nightly.timerConfig.Persistent;
    "systemd interprets no part of an input" =
      has ''run --quiet "--timeout" "5m" "sentiment" "100%% $$HOME \"x\""'' (exec "mer-run-nightly");
    "systemd interprets no part of a setting" = builtins.all (name:
      (unit name).environment.MER_DB == "postgres://u%%40x@db.example.org/mer") units;
    "a schedule can train" = has ''train --quiet "--promote" "iris" "@/srv/data"'' (exec "mer-run-teach");
    "a schedule can write to a file" =
      has ''"--output" "/srv/out/answer"'' (exec "mer-run-file") && (unit "mer-run-file").serviceConfig.ReadWritePaths == [ "/srv/out" ];
    "a failure can start other units" = (unit "mer-run-nightly").onFailure == [ "tell@%n.service" ];
    "a run comes after the migrations and the registry" =
      builtins.all (u: builtins.elem u (unit "mer-run-nightly").after && builtins.elem u (unit "mer-run-nightly").wants)
        [ "mer-migrate.service" "mer-registry.service" ];
    "no unit ends a run in progress" =
      builtins.all (name: (unit name).requires == [ ]) units && builtins.all (name: !(unit name).restartIfChanged) runs;
    "every unit comes after the database" = builtins.all (name: builtins.elem "postgresql.target" (unit name).after) units;
    "migrations run the other program" = has "/bin/mer-migrations --config %d/mer.toml" (exec "mer-migrate");
    "each unit gets only its own secret" =
      (unit "mer-migrate").serviceConfig.LoadCredential == [ "mer.toml:/run/keys/mer-migrations.toml" "id_ed25519:/run/keys/mer-ssh" ]
      && (unit "mer-registry").serviceConfig.LoadCredential == [ "mer.toml:/run/keys/mer-driver.toml" "id_ed25519:/run/keys/mer-ssh" ];
    "a schedule's own secrets are added" = builtins.sort builtins.lessThan (unit "mer-run-nightly").serviceConfig.LoadCredential
      == [ "id_ed25519:/run/keys/mer-ssh" "mer.toml:/run/keys/mer-driver.toml" "mine:/run/keys/mine" ];
    "settings become variables" =
      (unit "mer-run-nightly").environment.MER_DB_WAIT == "2m" && (unit "mer-run-nightly").environment.MER_HASHES == "false";
    "units have a home" = builtins.all (name: (unit name).environment.HOME == "/var/lib/mer") units;
    "units run as a permanent user" =
      builtins.all (name: (unit name).serviceConfig.User == "mer" && !((unit name).serviceConfig ? DynamicUser)) units
      && full.users.users.mer.isSystemUser && full.users.users.mer.group == "mer" && full.users.groups ? mer;
    "units are hardened" =
      builtins.all (name: let s = (unit name).serviceConfig; in
        s.ProtectSystem == "strict" && s.NoNewPrivileges && builtins.elem "@system-service" s.SystemCallFilter) units;
    "a schedule can change its unit" = !(unit "mer-run-nightly").serviceConfig.PrivateDevices && (unit "mer-migrate").serviceConfig.PrivateDevices;
    "without credentials nothing is loaded" =
      plain.systemd.services.mer-run-hourly.serviceConfig.LoadCredential == [ ]
      && !(has "--config" plain.systemd.services.mer-run-hourly.serviceConfig.ExecStart);
    "without a registry its unit is absent" = !(plain.systemd.services ? mer-registry);
    "gc has a timer, which can be disabled" =
      full.systemd.timers.mer-gc.timerConfig.OnCalendar == "weekly" && has "weights gc --quiet" (exec "mer-gc")
      && !(plain.systemd.services ? mer-gc) && !(plain.systemd.timers ? mer-gc);
    "old accesses are deleted with the credentials of migrations, and only where that is said" =
      has ''/bin/mer'' pruned.systemd.services.mer-prune.serviceConfig.ExecStart
      && has ''log prune --quiet "--older-than" "90d" "--keep" "1000"'' pruned.systemd.services.mer-prune.serviceConfig.ExecStart
      && pruned.systemd.timers.mer-prune.timerConfig.OnCalendar == "daily"
      && !(full.systemd.services ? mer-prune) && !(full.systemd.timers ? mer-prune);
    "a resident is a service that says when it is ready" =
      let u = resident.systemd.services.mer-resident; in
      has ''/bin/mer serve "--preload" "chat" "--preload" "iris:3"'' u.serviceConfig.ExecStart
      && u.serviceConfig.Type == "notify" && u.serviceConfig.KillMode == "mixed" && u.serviceConfig.ProtectSystem == "strict"
      && u.serviceConfig.NoNewPrivileges && !u.serviceConfig.PrivateDevices && u.wantedBy == [ "multi-user.target" ]
      && builtins.elem "mer-migrate.service" u.after && resident.systemd.sockets == { };
    "a run comes after the resident, and does not wait for one that is off" =
      builtins.elem "mer-resident.service" resident.systemd.services.mer-run-nightly.after
      && !(builtins.elem "mer-resident.service" (unit "mer-run-nightly").after) && !(full.systemd.services ? mer-resident);
    "a resident can be started by its socket" =
      activated.systemd.sockets.mer-resident.socketConfig.ListenStream == "/run/mer/0123456789abcdef.sock"
      && activated.systemd.sockets.mer-resident.socketConfig.SocketUser == "mer"
      && activated.systemd.services.mer-resident.wantedBy == [ ];
    "every unit has the runtime folder, which stays" = builtins.all (name: let s = (unit name).serviceConfig; in
      s.RuntimeDirectory == "mer" && s.RuntimeDirectoryPreserve == "yes" && (unit name).environment.MER_RUNTIME_DIR == "/run/mer") units
      && builtins.elem "d /run/mer 0700 mer mer -" full.systemd.tmpfiles.rules;
    "resources become a variable" =
      resident.systemd.services.mer-resident.environment.MER_RESOURCES == "gpu=0,1 one=a, slots=4";
    "the id of a socket is checked" = faulty { resident.socket = "x"; } && !faulty { resident.socket = "0123456789abcdef"; };
    "a schedule does not replace one of the module's own units" =
      has "/bin/mer-migrations" (exec "mer-migrate") && has " apply " (exec "mer-registry")
      && has "sentiment" (exec "mer-run-migrate") && has "sentiment" (exec "mer-run-registry");
    "registries of several modules are merged" =
      builtins.attrNames merged.models == [ "a" "b" ] && merged.models.b.env == { X = "1"; Y = "2"; }
      && merged.models.a.inferenceCommand == [ "a" ];
    "a condition in a registry is evaluated" = merged.servers.far == { connType = "ssh"; host = "far"; };
    "units of several modules are merged" =
      let s = parts.systemd.services.mer-run-nightly.serviceConfig; in
      builtins.sort builtins.lessThan s.SupplementaryGroups == [ "audio" "video" ] && s.Nice == 5;
    "contradicting registries are refused" = fails (with' [
      { services.mer.registry.models.a.protocol = "lines"; } { services.mer.registry.models.a.protocol = "token"; }
    ]).services.mer.registry;
    "the module can be imported twice" = has "/bin/mer" twice.systemd.services.mer-run-nightly.serviceConfig.ExecStart;
    "a wrapper runs commands like the service" = builtins.any (p: lib.getName p == "mer-service") full.environment.systemPackages;
    "a good configuration has no fault" = faults full == [ ] && faults plain == [ ] && faults parts == [ ];
    "a password in the settings is refused" = builtins.all (settings: faulty { inherit settings; }) [
      { driverDbPassword = "x"; } { db = "postgres://u:p@h/d"; } { db = "postgres://h/d?user=u&password=p"; } { db = "ws://u:p%40@h"; }
    ];
    "a user in the settings is allowed" = !faulty { settings.db = "postgres://u@h:5432/d"; };
    "a password in the registry is refused" = faulty { registry.models.m.env.URL = "https://u:p@h/"; };
    "a secret in the store is refused" = faulty { credentials.driver = "${builtins.storeDir}/x"; }
      && faulty { credentials.files.key = "${builtins.storeDir}/x"; };
    "a secret has a valid name" = faulty { credentials.files."a/b" = "/run/x"; } && faulty { credentials.files."mer.toml" = "/run/x"; };
    "folders cannot be set" = builtins.all (name: faulty { settings.${name} = "/srv"; }) [ "dataDir" "stateDir" "cacheDir" "runtimeDir" ];
    "the name of a schedule is valid for a unit" = builtins.all named [ "a/b" "a b" "" "ä" "a@b" ] && !named "a.b-c_9";
    "an unknown key of a schedule is refused" = refused { schedules.nightly = nightly // { when = "02:00"; }; };
    "a schedule without a time is refused" =
      fails (with_ { schedules.nightly.model = "iris"; }).systemd.timers.mer-run-nightly.timerConfig
      && fails (with_ { schedules.nightly = nightly // { onCalendar = [ ]; }; }).systemd.timers.mer-run-nightly.timerConfig;
    "a setting is a text, a number or a switch" = refused { settings.db = [ ]; schedules.nightly = nightly; };
    "a disabled module changes nothing" = !(off.systemd.services ? mer-run-nightly) && off.environment.systemPackages == [ ];
  };
  broken = builtins.filter (what: !must.${what}) (builtins.attrNames must);
in
if broken == [ ] then "${toString (builtins.length (builtins.attrNames must))} assertions hold\n"
else throw "nix/module: failed assertions: ${builtins.concatStringsSep "; " broken}"
