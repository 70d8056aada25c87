# `nix run`, `nix run .#migrate`, `nix run .#start`, `nix run .#stop`.
{ pkgs, lib, mer-static }:
let
  app = program: description: {
    type = "app";
    inherit program;
    meta = { inherit description; };
  };
  # The scripts keep their state in the current folder, where `mer` also reads its `.env`.
  script = name: lib.getExe (pkgs.writeShellApplication {
    inherit name;
    runtimeInputs = [ mer-static pkgs.coreutils pkgs.gawk pkgs.gnugrep pkgs.gnused pkgs.util-linux ];
    text = ''exec ${pkgs.bash}/bin/bash ${mer-static}/share/mer/${name}.sh "$@"'';
  });
in
{
  default = app "${mer-static}/bin/mer" "The driver: the REPL, or one command";
  migrate = app "${mer-static}/bin/mer-migrations" "Migrates a database's schema to this version";
  start = app (script "startMER") "Starts a database if one is needed, migrates it, and starts the driver";
  stop = app (script "stopMER") "Stops everything that start has started";
}
