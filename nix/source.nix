# Only the files that the build reads, so that a change of a page or of this folder rebuilds nothing.
{ lib, withTests ? false }:
lib.fileset.toSource {
  root = ../.;
  fileset = lib.fileset.unions (
    [ ../Cargo.toml ../Cargo.lock ../rustfmt.toml ../clippy.toml ../crates ../sql ../tests ../startStopScripts ../LICENSE ../docs/licences ]
    # Tests compare the pages, the examples and the shipped settings with the code.
    ++ lib.optionals withTests [
      ../.env ../.ci ../README.md ../CHANGELOG.md ../CONTRIBUTING.md ../Dockerfile ../docker-compose.yaml ../container
      ../deny.toml ../systemd ../docs ../examples ../flake.nix ../nix
    ]
  );
}
