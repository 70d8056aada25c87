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
    persistent = option types.bool true "Whether a run that was missed while the machine was off is made up for.";
    randomizedDelay = option types.str "0" "How much later it may begin, so that not everything begins at once.";
  };

  schedule = {
    options = timer // {
      model = required types.nonEmptyStr "The model to run, as `mer run` takes it: `NAME`, `NAME:3`, `NAME@alias`.";
      onCalendar = required times "When, as systemd.time(7) has it: `*-*-* 02:00`, `hourly`, or a list of such.";
      command = option (types.enum [ "run" "train" ]) "run" "Whether the model answers, or trains.";
      arguments = option (types.listOf types.str) [ ] "Further flags of the command, such as `[ \"--promote\" ]`.";
      input = maybe types.str "The input, as `mer run` takes it: a text, or `@FILE`. Without one nothing is sent.";
      output = maybe types.path "The file that the model's output is written to. Its folder becomes writable for the unit.";
      server = maybe types.nonEmptyStr "The server to run on, instead of the model's own order.";
      timeout = maybe types.nonEmptyStr "The bound of the run, instead of the model's own.";
      onFailure = option (types.listOf types.str) [ ] "Units that are started when the run fails, to tell of it.";
      path = option (types.listOf types.package) [ ] "Packages whose programs the model finds.";
      serviceConfig = option (types.attrsOf unitOption) { } ''
        What differs in the unit's `[Service]`, such as `ReadWritePaths`. Lists are added to those of the module.
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
    description = "The package; `mer.override { sqlDir = ./sql; }` has an organisation's own scripts.";
  };

  settings = option (types.attrsOf (types.oneOf [ types.str types.bool types.int ])) { } ''
    Settings, as docs/reference/settings.md names them: `{ db = "postgres://db.example.org/mer"; dbWait = "2m"; }`. They are
    checked when the system is built. No passwords: those are `credentials`. The folders are fixed: /var/lib/mer, /var/cache/mer.
  '';

  credentials = {
    driver = maybe types.str ''
      A file with what only the driver may know, in the form of a settings file: `driverDbPassword = "…"`. systemd hands it
      over (LoadCredential); it is not copied.
    '';
    migrations = maybe types.str "The same for the migrations: `migrationsDbPassword = \"…\"`.";
    files = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = lib.literalExpression ''{ id_ed25519 = "/run/keys/mer-ssh"; }'';
      description = ''
        Further files for every unit, such as a key for SSH, by the name that they get in `$CREDENTIALS_DIRECTORY`. A server names
        it as `identityFile = "''${CREDENTIALS_DIRECTORY}/id_ed25519"`.
      '';
    };
  };

  databaseUnits = option (types.listOf types.str) [ ] "Units to wait for, such as `postgresql.target`.";

  path = option (types.listOf types.package) [ ] "Packages whose programs every model finds.";

  registry = option (pkgs.formats.toml { }).type { } ''
    Servers and models, as docs/reference/registry-file.md has them, applied after the migrations. Checked when the system is
    built. What it no longer names stays registered.
  '';

  gc = timer // {
    enable = option types.bool true "Whether bytes of weights that no version has are freed from time to time.";
    onCalendar = option times "weekly" "When, as systemd.time(7) has it.";
  };

  schedules = mkOption {
    type = types.attrsOf (types.submodule schedule);
    default = { };
    example = lib.literalExpression ''{ nightly = { model = "sentiment"; input = "@/srv/in.txt"; onCalendar = "02:00"; }; }'';
    description = "Model runs: each is a service `mer-run-NAME` and a timer of that name.";
  };
}
