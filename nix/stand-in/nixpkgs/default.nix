# `import nixpkgs { system = …; config = …; }`. A package whose licence is not free is refused unless the configuration allows it,
# as in nixpkgs.
{ system, config ? { } }:
import ./packages.nix {
  lib = import ./lib.nix;
  inherit system config;
  suffix = "";
}
