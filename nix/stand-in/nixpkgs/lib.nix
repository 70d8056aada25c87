# The part of nixpkgs' `lib` that is used here, and the module system in small: conditions are pushed down to the leaves,
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

  deep = x: y:
    if isAttrs x && isAttrs y && !(x ? _type) && !(y ? _type)
    then x // mapAttrs (n: v: if x ? ${n} then deep x.${n} v else v) y
    else y;

  # --- Types: a check, and what is made of a value that passed it.
  type = name: check: { _type = "option-type"; inherit name check; finish = _: v: v; };
  types = rec {
    str = type "string" isString;
    lines = str;
    nonEmptyStr = type "non-empty string" (x: isString x && x != "");
    bool = type "boolean" b.isBool;
    int = type "integer" isInt;
    path = type "path" (x: b.isPath x || isString x);
    package = type "package" (x: isAttrs x && x ? outPath);
    anything = type "anything" (_: true);
    attrs = type "attribute set" isAttrs;
    enum = l: type "one of ${b.toJSON l}" (x: elem x l);
    oneOf = l: type "one of ${concatStringsSep ", " (map (e: e.name) l)}" (x: b.any (e: e.check x) l);
    nullOr = e: type "null or ${e.name}" (x: x == null || e.check x) // { finish = at: v: if v == null then null else e.finish at v; };
    listOf = e: type "list of ${e.name}" (x: isList x && b.all e.check x) // { finish = at: map (e.finish at); };
    attrsOf = e: type "set of ${e.name}" (x: isAttrs x && b.all e.check (b.attrValues x)) // { finish = at: mapAttrs (n: e.finish (at ++ [ n ])); };
    submodule = m: type "submodule" isAttrs // {
      finish = at: v: (evalModules { modules = [ m { config = v; } ]; inherit at; strict = true; }).config;
    };
  };

  evalModules = { modules, specialArgs ? { }, at ? [ ], strict ? false }:
    let
      load = m:
        let
          v = if b.isPath m || isString m then import m else m;
          c = if isFunction v then v (specialArgs // { inherit config options; lib = self; }) else v;
        in
        concatMap load (c.imports or [ ]) ++ [ c ];
      loaded = concatMap load modules;
      options = foldl' deep { } (map (m: m.options or { }) loaded);

      open = d:
        let kind = d.v._type or null; in
        if kind == "if" then open { v = d.v.content; c = d.c ++ [ d.v.condition ]; inherit (d) p; }
        else if kind == "merge" then concatMap (v: open { inherit v; inherit (d) c p; }) d.v.contents
        else if kind == "override" then open { v = d.v.content; inherit (d) c; p = d.v.priority; }
        else [ d ];
      on = d: foldl' (x: y: x && y) true d.c;

      mergeOption = at: opt: ds:
        let
          where = concatStringsSep "." at;
          candidates = filter on ds ++ optional (opt ? default) { v = opt.default; c = [ ]; p = 1500; };
          top = foldl' (m: d: if d.p < m then d.p else m) 9999 candidates;
          vs = map (d: d.v) (filter (d: d.p == top) candidates);
          v =
            if vs == [ ] then throw "option `${where}' is used but not defined"
            else if length vs == 1 then head vs
            else if b.all isList vs then concatLists vs
            else if b.all isAttrs vs then foldl' deep { } vs
            else if b.all (x: x == head vs) vs then head vs
            else throw "option `${where}' has conflicting definitions";
        in
        if !(opt ? type) then v
        else if opt.type.check v then opt.type.finish at v
        else throw "option `${where}' is not of type `${opt.type.name}': ${b.toJSON v}";

      merge = at: opt: defs:
        let
          all = concatMap open defs;
          declared = opt != null && opt != { };
          # What a condition switches off is not there. Above, where options are declared, that would ask for itself.
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
        v = m.config or (removeAttrs m [ "options" "imports" "_file" "config" ]);
        c = [ ];
        p = 100;
      }) loaded);
    in
    { inherit config options; };

  self = {
    inherit genAttrs nameValuePair optional concatStringsSep types evalModules mapAttrs filter;
    importTOML = p: b.fromTOML (b.readFile p);
    # A name that does not exist is an error, as there.
    fileset = {
      unions = l: l;
      toSource = { root, fileset }:
        assert b.all (p: b.pathExists p || throw "no such file: ${toString p}") fileset;
        root;
    };
    licenses = genAttrs [ "mit" ] (spdxId: { inherit spdxId; });
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
    literalExpression = text: { inherit text; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = self.mkOverride 1000;
    mkForce = self.mkOverride 50;
  };
in
self
