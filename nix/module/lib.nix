# Quotes texts for systemd and MER.
{ lib }:
rec {
  # systemd replaces specifiers such as `%h` in nearly every value of a unit.
  specifiers = builtins.replaceStrings [ "%" ] [ "%%" ];

  # One word of a command line of a unit, quoted, with specifiers and variables escaped.
  word = text:
    "\"" + builtins.replaceStrings [ "\\" "\"" "$" "\n" ] [ "\\\\" "\\\"" "$$" "\\n" ] (specifiers text) + "\"";

  command = words: builtins.concatStringsSep " " (map word words);

  # The variable of a setting: `MER_DATA_DIR` for `dataDir`.
  variable =
    let
      capitals = lib.stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    in
    name: "MER_" + lib.toUpper (builtins.replaceStrings capitals (map (letter: "_" + letter) capitals) name);

  # Settings as environment variables, with unescaped values.
  variables = lib.mapAttrs' (name: value:
    lib.nameValuePair (variable name) (
      if builtins.isBool value then (if value then "true" else "false")
      else if builtins.isAttrs value then resources value
      else toString value
    ));

  # The resources of a machine as the text of a variable: `gpu=0,1 slots=4`. One name has a comma after it.
  resources = value: builtins.concatStringsSep " " (lib.mapAttrsToList (name: amount:
    "${name}=" + (
      if builtins.isList amount
      then builtins.concatStringsSep "," amount + (if builtins.length amount == 1 then "," else "")
      else toString amount
    )) value);
}
