# The part of nixpkgs' `lib` that this project uses, and a small module system: conditions are pushed down to the leaves,
# values are checked against the option's type, an unknown option below a declared set is an error.
let
  b = builtins;
  inherit (b) attrNames concatLists concatMap elem filter foldl' head isAttrs isFunction isInt isList isString length map mapAttrs;

  genAttrs = names: f: b.listToAttrs (map (name: { inherit name; value = f name; }) names);
  nameValuePair = name: value: { inherit name value; };
  optional = c: x: if c then [ x ] else [ ];
  concatStringsSep = b.concatStringsSep;
  characters = s: filter (c: isString c && c != "") (b.split "" s);
  letters = { lower = characters "abcdefghijklmnopqrstuvwxyz"; upper = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ"; };

  # --- Definitions. A definition is a value, its conditions, and its priority.
  open = d:
    let kind = d.v._type or null; in
    if kind == "if" then open { v = d.v.content; c = d.c ++ [ d.v.condition ]; inherit (d) p; }
    else if kind == "merge" then concatMap (v: open { inherit v; inherit (d) c p; }) d.v.contents
    else if kind == "override" then open { v = d.v.content; inherit (d) c; p = d.v.priority; }
    else [ d ];
  on = d: foldl' (x: y: x && y) true d.c;
  # Returns the definitions that count: their conditions are true, and their priority is the strongest of these.
  standing = defs:
    let
      held = filter on (concatMap open defs);
      top = foldl' (m: d: if d.p < m then d.p else m) 9999 held;
    in
    map (d: d.v) (filter (d: d.p == top) held);

  # --- Types check a single value, and merge several values into one. A set of options or of values is merged attribute by
  # attribute, each with its own conditions and priorities, as in nixpkgs; only `attrs` does not merge nested sets.
  conflict = where: throw "option `${where}' has conflicting definitions";
  equal = at: vs: if b.all (x: x == head vs) vs then head vs else conflict (concatStringsSep "." at);
  checked = t: at: v:
    if t.check v then v
    else throw "option `${concatStringsSep "." at}' is not of type `${t.name}': ${b.toJSON v}";
  type = name: check:
    let t = { _type = "option-type"; inherit name check; merge = at: vs: equal at (map (checked t at) vs); }; in t;
  # `merge` gets values that count, never `mkIf`.
  merged = name: check: merge:
    let t = { _type = "option-type"; inherit name check; merge = at: vs: merge at (map (checked t at) vs); }; in t;
  define = v: { inherit v; c = [ ]; p = 100; };
  mergeValue = t: at: defs:
    let vs = standing defs; in
    if vs == [ ] then throw "option `${concatStringsSep "." at}' is used but not defined" else t.merge at vs;

  types = rec {
    str = type "string" isString;
    lines = str;
    nonEmptyStr = type "non-empty string" (x: isString x && x != "");
    strMatching = pattern: type "string matching ${pattern}" (x: isString x && b.match pattern x != null);
    bool = type "boolean" b.isBool;
    int = type "integer" isInt;
    float = type "float" b.isFloat;
    path = type "path" (x: b.isPath x || (isString x && b.substring 0 1 x == "/") || (isAttrs x && x ? outPath));
    package = type "package" (x: isAttrs x && x ? outPath);
    anything = type "anything" (_: true);
    # The last definition of an attribute wins; nested values are not evaluated further.
    attrs = merged "attribute set" isAttrs (_: foldl' (x: y: x // y) { });
    enum = l: type "one of ${b.toJSON l}" (x: elem x l);
    either = x: y: merged "${x.name} or ${y.name}" (v: x.check v || y.check v)
      (at: vs: if b.all x.check vs then x.merge at vs else if b.all y.check vs then y.merge at vs else conflict (concatStringsSep "." at));
    oneOf = l: foldl' either (head l) (b.tail l);
    nullOr = e: merged "null or ${e.name}" (x: x == null || e.check x)
      (at: vs: if b.all (v: v == null) vs then null else if b.any (v: v == null) vs then conflict (concatStringsSep "." at) else e.merge at vs);
    listOf = e: merged "list of ${e.name}" isList
      (at: vs: concatMap (v: concatMap (d: map (x: e.merge at [ x ]) (standing [ (define d) ])) v) vs);
    nonEmptyListOf = e: let l = listOf e; in l // { name = "non-empty ${l.name}"; check = x: isList x && x != [ ]; };
    attrsOf = e: merged "set of ${e.name}" isAttrs
      (at: vs:
        let
          names = attrNames (foldl' (x: y: x // y) { } vs);
          of = n: map (v: define v.${n}) (filter (v: v ? ${n}) vs);
          # An attribute whose conditions are all false is absent.
          there = filter (n: b.any on (concatMap open (of n))) names;
        in
        genAttrs there (n: mergeValue e (at ++ [ n ]) (of n)));
    submodule = m: merged "submodule" isAttrs
      (at: vs: (evalModules { modules = [ m ] ++ map (v: { config = v; }) vs; inherit at; strict = true; }).config);
  };

  # A value of `systemd.services.<name>.serviceConfig`: lists are joined, other values must be equal.
  unitOption = merged "systemd option" (_: true)
    (at: vs: if b.any isList vs then concatMap (v: if isList v then v else [ v ]) vs else equal at vs);

  evalModules = { modules, specialArgs ? { }, at ? [ ], strict ? false }:
    let
      # A module with a key is used once, however often it is imported.
      load = known: m:
        let
          v = if b.isPath m || isString m then import m else m;
          c = if isFunction v then v (specialArgs // { inherit config options; lib = self; }) else v;
        in
        if c ? key && known ? ${c.key} then known
        else
          let
            below = foldl' load (known // (if c ? key then { ${c.key} = true; } else { })) (c.imports or [ ]);
          in
          below // { " " = below." " ++ [ c ]; };
      loaded = (foldl' load { " " = [ ]; } modules)." ";
      # An option may be declared only once.
      declare = x: y:
        if (x._type or null) == "option" && (y._type or null) == "option" then throw "an option is declared twice"
        else if isAttrs x && isAttrs y then x // mapAttrs (n: v: if x ? ${n} then declare x.${n} v else v) y
        else y;
      options = foldl' declare { } (map (m: m.options or { }) loaded);

      mergeOption = at: opt: ds:
        let
          defs = ds ++ optional (opt ? default) { v = opt.default; c = [ ]; p = 1500; };
          values = standing defs;
        in
        if opt ? type then mergeValue opt.type at defs
        else if values == [ ] then throw "option `${concatStringsSep "." at}' is used but not defined"
        else equal at values;

      merge = at: opt: defs:
        let
          all = concatMap open defs;
          declared = opt != null && opt != { };
          # A definition with a false condition is absent. Above, at the declarations of options, this would be an infinite recursion.
          ds = if declared then all else filter on all;
          names = attrNames (foldl' (x: y: x // y) (if opt == null then { } else opt)
            (map (d: if isAttrs d.v then d.v else throw "`${concatStringsSep "." at}' is not a set") ds));
          unknown = if declared && (strict || length at > 1) then filter (n: !(opt ? ${n})) names else [ ];
          below = n: merge (at ++ [ n ]) (opt.${n} or null) (map (d: d // { v = d.v.${n}; }) (filter (d: d.v ? ${n}) ds));
          values = map (d: d.v) (filter on ds);
        in
        if (opt._type or null) == "option" then mergeOption at opt ds
        else if unknown != [ ] then throw "The option `${concatStringsSep "." (at ++ [ (head unknown) ])}' does not exist"
        else if declared || b.any (d: isAttrs d.v && !(d.v ? outPath)) ds then genAttrs names below
        else if values == [ ] then null
        else if b.all isList values then concatLists values
        else b.elemAt values (length values - 1);

      config = merge at options (map (m: {
        v = m.config or (removeAttrs m [ "options" "imports" "_file" "key" "config" ]);
        c = [ ];
        p = 100;
      }) loaded);
    in
    { inherit config options; };

  self = {
    inherit genAttrs nameValuePair optional concatStringsSep types evalModules mapAttrs filter unitOption concatMap;
    inherit (b) isString isAttrs isList;
    importTOML = p: b.fromTOML (b.readFile p);
    # An unknown name is an error, as in NixOS.
    fileset = {
      unions = l: l;
      toSource = { root, fileset }:
        assert b.all (p: b.pathExists p || throw "no such file: ${toString p}") fileset;
        root;
    };
    licenses = {
      mit = { spdxId = "MIT"; free = true; };
      bsl11 = { spdxId = "BUSL-1.1"; free = false; };
    };
    getName = d: d.pname or d.name;
    toList = x: if isList x then x else [ x ];
    collect = pred: x: if pred x then [ x ] else if isAttrs x then concatMap (self.collect pred) (b.attrValues x) else [ ];
    concatLists = b.concatLists;
    concatMapStringsSep = sep: f: l: concatStringsSep sep (map f l);
    escapeShellArg = text: "'${b.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
    escapeShellArgs = l: concatStringsSep " " (map self.escapeShellArg l);
    flatten = x: if isList x then concatMap self.flatten x else [ x ];
    filterAttrs = pred: s: b.listToAttrs (concatMap (n: optional (pred n s.${n}) (nameValuePair n s.${n})) (attrNames s));
    mapAttrsToList = f: s: map (n: f n s.${n}) (attrNames s);
    platforms.linux = [ "x86_64-linux" "aarch64-linux" ];
    getExe = d: "${d}/bin/${d.meta.mainProgram or d.pname or d.name}";
    optionals = c: l: if c then l else [ ];
    optionalAttrs = c: s: if c then s else { };
    optionalString = c: s: if c then s else "";
    mapAttrs' = f: s: b.listToAttrs (map (n: f n s.${n}) (attrNames s));
    stringToCharacters = characters;
    toUpper = b.replaceStrings letters.lower letters.upper;
    hasPrefix = p: s: b.substring 0 (b.stringLength p) s == p;
    hasSuffix = p: s: let n = b.stringLength s - b.stringLength p; in n >= 0 && b.substring n (-1) s == p;
    escapeRegex = b.replaceStrings (characters "\\[{()^$?*+|.") (map (c: "\\${c}") (characters "\\[{()^$?*+|."));
    mkOption = o: { _type = "option"; } // o;
    mkEnableOption = description: { _type = "option"; type = types.bool; default = false; inherit description; };
    literalExpression = text: { _type = "literalExpression"; inherit text; };
    literalMD = text: { _type = "literalMD"; inherit text; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = self.mkOverride 1000;
    mkForce = self.mkOverride 50;
  };
in
self
