# `services.mer`.
{ lib, pkgs, packageFor }:
let
  inherit (lib) mkOption types;
  option = type: default: description: mkOption { inherit type default description; };
  required = type: description: mkOption { inherit type description; };
  maybe = type: option (types.nullOr type) null;

  schedule = {
    options = {
      model = required types.nonEmptyStr "The model to run, as `mer run` takes it: `NAME`, `NAME:3`, `NAME@alias`.";
      onCalendar = required types.nonEmptyStr "When, as systemd.time(7) has it: `*-*-* 02:00`, `hourly`.";
      input = maybe types.str "The input, as `mer run` takes it: a text, or `@FILE`. Without one nothing is sent.";
      server = maybe types.nonEmptyStr "The server to run on, instead of the model's own order.";
      timeout = maybe types.nonEmptyStr "The bound of the run, instead of the model's own.";
      persistent = option types.bool true "Whether a run that was missed while the machine was off is made up for.";
      randomizedDelay = option types.str "0" "How much later it may begin, so that not everything begins at once.";
      path = option (types.listOf types.package) [ ] "Packages whose programs the model finds.";
      serviceConfig = option types.attrs { } "What differs in the unit's `[Service]`, such as `ReadWritePaths`.";
    };
  };
in
{
  enable = lib.mkEnableOption "MER, the Model Executor Runtime";

  package = mkOption {
    type = types.package;
    default = packageFor pkgs;
    defaultText = lib.literalExpression "the flake's mer-static";
    description = "The package; `mer.override { sqlDir = ./sql; }` has an organisation's own scripts.";
  };

  settings = option (types.attrsOf (types.oneOf [ types.str types.bool types.int ])) { } ''
    Settings, as docs/reference/settings.md names them: `{ db = "postgres://db.example.org/mer"; dbWait = "2m"; }`. They are
    checked when the system is built. No passwords: those are `credentials`.
  '';

  credentials = {
    driver = maybe types.str ''
      A file with what only the driver may know, in the form of a settings file: `driverDbPassword = "…"`. systemd hands it
      over (LoadCredential); it is not copied.
    '';
    migrations = maybe types.str "The same for the migrations: `migrationsDbPassword = \"…\"`.";
  };

  databaseUnits = option (types.listOf types.str) [ ] "Units to wait for, such as `postgresql.service`.";

  path = option (types.listOf types.package) [ ] "Packages whose programs every model finds.";

  registry = option types.attrs { } ''
    Servers and models, as docs/reference/registry-file.md has them, applied after the migrations. Checked when the system is
    built. What it no longer names stays registered.
  '';

  schedules = mkOption {
    type = types.attrsOf (types.submodule schedule);
    default = { };
    example = lib.literalExpression ''{ nightly = { model = "sentiment"; input = "@/srv/in.txt"; onCalendar = "02:00"; }; }'';
    description = "Model runs: each is a service `mer-NAME` and a timer of that name.";
  };
}
