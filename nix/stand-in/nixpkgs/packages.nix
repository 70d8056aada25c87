# The packages that this project uses.
{ lib, system, suffix, config }:
let
  b = builtins;
  recorded = args: b.toJSON (b.mapAttrs
    (_: v: if b.isFunction v then "function" else if b.isAttrs v && !(v ? outPath) then b.attrNames v else v)
    (removeAttrs args [ "meta" "passthru" "src" "cargoLock" "nativeBuildInputs" "buildInputs" ]));

  # An unfree licence is refused unless the configuration allows it by name.
  allowed = name: meta:
    let
      licenses = lib.toList (meta.license or [ ]);
      unfree = b.filter (l: !(l.free or true)) licenses;
    in
    if unfree == [ ] || (config.allowUnfreePredicate or (_: false)) { pname = name; } then meta
    else throw "`${name}` has an unfree licence (`${(b.head unfree).spdxId}`), refusing to evaluate";

  package = name: args:
    derivation {
      name = b.seq (allowed (args.pname or name) (args.meta or { })) "${name}${suffix}";
      inherit system;
      builder = "/bin/false";
      recorded = recorded args;
      deps = (args.nativeBuildInputs or [ ]) ++ (args.packages or [ ]) ++ (args.inputsFrom or [ ]);
    }
    // {
      meta = allowed (args.pname or name) (args.meta or { });
      version = args.version or "0";
      pname = args.pname or name;
      text = args.text or null;
      nativeBuildInputs = args.nativeBuildInputs or [ ];
      overrideAttrs = f: package name (args // f ({ nativeBuildInputs = [ ]; } // args));
    };

  program = name: package name { version = "1"; meta.mainProgram = name; };

  rustPlatform.buildRustPackage = a:
    assert b.pathExists a.cargoLock.lockFile || throw "no Cargo.lock";
    package "${a.pname}-${a.version}" a;

  imageKeys = [ "Cmd" "Entrypoint" "Env" "ExposedPorts" "Labels" "User" "Volumes" "WorkingDir" "StopSignal" "Healthcheck" ];

  platform = {
    inherit system;
    isStatic = suffix != "";
    isLinux = b.match ".*-linux" system != null;
    rust.rustcTarget = b.replaceStrings [ "-linux" ] [ "-unknown-linux-${if suffix == "" then "gnu" else "musl"}" ] system;
  };

  pkgs = lib.genAttrs [
    "bash" "binutils" "cacert" "cargo" "cargo-deny" "clippy" "coreutils" "fish" "gawk" "gnugrep" "gnused" "graphviz" "iproute2" "jq"
    "mksh" "nixfmt-tree" "openssh" "openssl" "installShellFiles" "perl" "postgresql" "python3" "rust-analyzer" "rustc" "rustfmt" "shellcheck" "tcsh" "util-linux" "zstd"
  ] program // {
    inherit lib rustPlatform;
    path = ./.;
    testers.runNixOSTest = test:
      assert b.isString test.testScript && b.isAttrs test.nodes;
      package "vm-test-${test.name}" { inherit (test) testScript; nodes = b.attrNames test.nodes; };
    stdenv = { hostPlatform = platform; buildPlatform = platform // { canExecute = _: true; }; };
    makeRustPlatform = { rustc, cargo }: b.seq rustc.outPath (b.seq cargo.outPath rustPlatform);
    callPackage = f: o:
      let
        g = if b.isPath f then import f else f;
        wanted = b.functionArgs g;
        missing = b.filter (n: !wanted.${n} && !(pkgs ? ${n}) && !(o ? ${n})) (b.attrNames wanted);
      in
      assert missing == [ ] || throw "the stand-in for nixpkgs has no `${b.concatStringsSep "`, `" missing}`";
      g (b.intersectAttrs wanted pkgs // o) // { override = more: pkgs.callPackage f (o // more); };
    runCommand = name: a: script: package name (a // { buildCommand = script; });
    writeText = name: text: package name { inherit text; };
    writeShellApplication = a: package a.name (a // { meta.mainProgram = a.name; });
    mkShell = a: package "nix-shell" a;
    formats.toml = _: {
      type =
        let value = lib.types.oneOf [ lib.types.bool lib.types.int lib.types.float lib.types.str lib.types.path (lib.types.attrsOf value) (lib.types.listOf value) ];
        in value // { name = "TOML value"; };
      generate = name: value: package name { value = b.toJSON value; };
    };
    dockerTools.buildLayeredImage = a:
      assert b.all (n: b.elem n imageKeys) (b.attrNames (a.config or { })) || throw "unknown key of an image's configuration";
      package "${a.name}.tar.gz" a;
    pkgsStatic = import ./packages.nix { inherit lib system config; suffix = "-static"; };
  };
in
pkgs
