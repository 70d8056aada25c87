# `import nixpkgs { system = …; config = …; }`. As in nixpkgs, a package with an unfree licence is refused unless the
# configuration allows it.
{ system, config ? { } }:
import ./packages.nix {
  lib = import ./lib.nix;
  inherit system config;
  suffix = "";
}
