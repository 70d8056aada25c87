# `services.mer`.
{ lib, pkgs, utils, packageFor }:
let
  inherit (lib) mkOption types;
  inherit (utils.systemdUtils.unitOptions) unitOption;
  option = type: default: description: mkOption { inherit type default description; };
  required = type: description: mkOption { inherit type description; };
  maybe = type: option (types.nullOr type) null;
  times = types.either types.nonEmptyStr (types.nonEmptyListOf types.nonEmptyStr);

  timer = {
    persistent = option types.bool true "Whether a run that was missed while the machine was off is run later.";
    randomizedDelay = option types.str "0" "Maximum random delay of the start, so that not all runs start at once.";
  };

  schedule = {
    options = timer // {
      model = required types.nonEmptyStr "The model, in the notation of `mer run`: `NAME`, `NAME:3`, `NAME@alias`.";
      onCalendar = required times "The times, in the notation of systemd.time(7): `*-*-* 02:00`, `hourly`, or a list of them.";
      command = option (types.enum [ "run" "train" ]) "run" "Whether the schedule runs the model, or trains it.";
      arguments = option (types.listOf types.str) [ ] "Additional flags of the command, such as `[ \"--promote\" ]`.";
      input = maybe types.str "The input, in the notation of `mer run`: a text, or `@FILE`. By default nothing is sent.";
      output = maybe types.path "The file for the model's output. Its folder becomes writable for the unit.";
      server = maybe types.nonEmptyStr "The server to use, instead of the model's own list.";
      timeout = maybe types.nonEmptyStr "The timeout of the run, instead of the model's own.";
      onFailure = option (types.listOf types.str) [ ] "Units to start when the run fails, for example to send a message.";
      path = option (types.listOf types.package) [ ] "Packages whose programs are in the model's PATH.";
      serviceConfig = option (types.attrsOf unitOption) { } ''
        Changes of the unit's `[Service]` section, such as `ReadWritePaths`. Lists are added to those of the module.
      '';
    };
  };
in
{
  enable = lib.mkEnableOption "MER, the Model Executor Runtime";

  package = mkOption {
    type = types.package;
    default = packageFor pkgs;
    defaultText = lib.literalMD "`mer-static` of the flake";
    description = "The package; `mer.override { sqlDir = ./sql; }` contains an organisation's own scripts.";
  };

  settings = option (types.attrsOf (types.oneOf [
    types.str types.bool types.int (types.attrsOf (types.either types.int (types.listOf types.str)))
  ])) { } ''
    Settings by their names in docs/reference/settings.md: `{ db = "postgres://db.example.org/mer"; dbWait = "2m"; }`. They are
    checked when the system is built. Passwords belong into `credentials`. The folders are fixed: /var/lib/mer, /var/cache/mer, /run/mer.
    What the machine has is `resources = { slots = 4; gpu = [ "0" "1" ]; }`.
  '';

  credentials = {
    driver = maybe types.str ''
      A file with the driver's secrets, in the format of a settings file: `driverDbPassword = "…"`. systemd passes it to the
      units (LoadCredential); it is not copied into the Nix store.
    '';
    migrations = maybe types.str "The same for the migrations: `migrationsDbPassword = \"…\"`.";
    files = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = lib.literalExpression ''{ id_ed25519 = "/run/keys/mer-ssh"; }'';
      description = ''
        Additional files for every unit, such as a key for SSH. The attribute is the file's name in `$CREDENTIALS_DIRECTORY`; a
        server refers to it as `identityFile = "''${CREDENTIALS_DIRECTORY}/id_ed25519"`.
      '';
    };
  };

  databaseUnits = option (types.listOf types.str) [ ] "Units to wait for, such as `postgresql.target`.";

  path = option (types.listOf types.package) [ ] "Packages whose programs are in every model's PATH.";

  registry = option (pkgs.formats.toml { }).type { } ''
    Servers and models, with the keys of docs/reference/registry-file.md. They are checked when the system is built, and applied
    after the migrations. Objects that it no longer names stay registered.
  '';

  gc = timer // {
    enable = option types.bool true "Whether bytes of weights that belong to no version are freed regularly.";
    onCalendar = option times "weekly" "The times, in the notation of systemd.time(7).";
  };

  prune = timer // {
    olderThan = maybe types.nonEmptyStr "Accesses that began this long ago, such as `90d`, are deleted regularly. By default none are.";
    keep = maybe types.int "Number of newest accesses that are kept, however old they are.";
    onCalendar = option times "daily" "The times, in the notation of systemd.time(7).";
  };

  resident = {
    enable = option types.bool false "Whether a resident keeps models warm for the schedules and for `mer-service`.";
    preload = option (types.listOf types.nonEmptyStr) [ ] "Models to load at its start, before units that come after it.";
    socket = maybe types.nonEmptyStr ''
      The id of the database, which `mer-service doctor` prints: then systemd listens at the socket, and the first call starts the
      resident. By default it is started with the machine.
    '';
    path = option (types.listOf types.package) [ ] "Packages whose programs are in the PATH of what it keeps.";
    serviceConfig = option (types.attrsOf unitOption) { } ''
      Changes of the unit's `[Service]` section, such as `PrivateDevices = false` for graphics cards. Lists are added to those of
      the module.
    '';
  };

  schedules = mkOption {
    type = types.attrsOf (types.submodule schedule);
    default = { };
    example = lib.literalExpression ''{ nightly = { model = "sentiment"; input = "@/srv/in.txt"; onCalendar = "02:00"; }; }'';
    description = "Scheduled runs. Each is a service `mer-run-NAME` and a timer of the same name.";
  };
}
