# The compiler of the static build: the upstream one with a prebuilt std for musl, packaged by rust-overlay.
{ pkgs, rust-overlay }:
let
  target = pkgs.pkgsStatic.stdenv.hostPlatform.rust.rustcTarget;
  # The oldest compiler that MER supports.
  version = "${(pkgs.lib.importTOML ../Cargo.toml).workspace.package.rust-version}.0";
  rust-bin = rust-overlay.lib.mkRustBin { } pkgs;
  toolchain = rust-bin.stable.${version}.minimal.override { targets = [ target ]; };
in
{
  rustc = toolchain;
  cargo = toolchain;
}
