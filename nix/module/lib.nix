# Texts as systemd and MER read them.
{ lib }:
rec {
  # systemd replaces specifiers such as `%h` in nearly every value of a unit.
  specifiers = builtins.replaceStrings [ "%" ] [ "%%" ];

  # One word of a command line of a unit: quoted, and without its specifiers and variables.
  word = text:
    "\"" + builtins.replaceStrings [ "\\" "\"" "$" "\n" ] [ "\\\\" "\\\"" "$$" "\\n" ] (specifiers text) + "\"";

  command = words: builtins.concatStringsSep " " (map word words);

  # `dataDir` is `MER_DATA_DIR`.
  variable =
    let
      capitals = lib.stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    in
    name: "MER_" + lib.toUpper (builtins.replaceStrings capitals (map (letter: "_" + letter) capitals) name);

  # Settings as variables of the environment, with their values as they are.
  variables = lib.mapAttrs' (name: value:
    lib.nameValuePair (variable name) (
      if builtins.isBool value then (if value then "true" else "false") else toString value
    ));
}
