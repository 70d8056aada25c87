# Configurations that are refused, with the reasons.
{ lib, cfg }:
let
  inherit (builtins) all any attrNames attrValues concatStringsSep filter isAttrs isList isString match;

  # Every user of the machine can read a path in the store.
  inStore = path: path != null && lib.hasPrefix builtins.storeDir path;
  secrets = [ cfg.credentials.driver cfg.credentials.migrations ] ++ attrValues cfg.credentials.files;

  # Whether a text contains `scheme://user:password@host`, or a password as a parameter.
  hasPassword = text:
    match ".*://[^/?#@]*:[^/?#@]+@.*" text != null || match ".*[?&](password|pass)=.*" text != null;
  strings = value:
    if isString value then [ value ]
    else if isAttrs value then lib.concatMap strings (attrValues value)
    else if isList value then lib.concatMap strings value
    else [ ];

  isName = name: match "[A-Za-z0-9][A-Za-z0-9._-]*" name != null;
  misnamed = filter (name: !isName name);
  own = filter (name: cfg.settings ? ${name}) [ "dataDir" "stateDir" "cacheDir" "runtimeDir" ];
  quoted = names: concatStringsSep ", " (map (name: "`${name}`") names);
in
[
  {
    assertion = !any inStore secrets;
    message = "services.mer.credentials: every user can read a path in the Nix store";
  }
  {
    assertion = misnamed (attrNames cfg.credentials.files) == [ ];
    message = "services.mer.credentials.files: ${quoted (misnamed (attrNames cfg.credentials.files))}: letters, digits, `.`, `_` and `-` only";
  }
  {
    assertion = !(cfg.credentials.files ? "mer.toml");
    message = "services.mer.credentials.files: `mer.toml` is the name of credentials.driver and credentials.migrations";
  }
  {
    assertion = !any (lib.hasSuffix "Password") (attrNames cfg.settings) && !any hasPassword (strings cfg.settings);
    message = "services.mer.settings would put a password into the Nix store: use services.mer.credentials";
  }
  {
    assertion = !any hasPassword (strings cfg.registry);
    message = "services.mer.registry would put a password into the Nix store: a server has passwordFile, passwordEnv and passwordCommand";
  }
  {
    assertion = own == [ ];
    message = "services.mer.settings: ${quoted own} cannot be set here: the folders are /var/lib/mer, /var/cache/mer and /run/mer, which systemd creates";
  }
  {
    assertion = misnamed (attrNames cfg.schedules) == [ ];
    message = "services.mer.schedules: ${quoted (misnamed (attrNames cfg.schedules))} cannot be part of a unit's name: letters, digits, `.`, `_` and `-` only";
  }
  {
    assertion = cfg.resident.socket == null || match "[0-9a-f]{16}" cfg.resident.socket != null;
    message = "services.mer.resident.socket: 16 hex digits, as `mer-service doctor` prints them";
  }
  {
    assertion = all (schedule: schedule.output == null || schedule.command == "run") (attrValues cfg.schedules);
    message = "services.mer.schedules: `output` is for `run`; a training's output is its weights";
  }
]
