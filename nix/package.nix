# MER, for `pkgs` and for `pkgsStatic` alike.
{
  lib,
  stdenv,
  rustPlatform,
  perl,
  # A folder with `surreal` and `postgres` in it, whose scripts are compiled in instead of those of `sql`.
  sqlDir ? null,
  withTests ? false,
}:
rustPlatform.buildRustPackage {
  pname = "mer";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  src = import ./source.nix { inherit lib withTests; };
  cargoLock.lockFile = ../Cargo.lock;

  # OpenSSL, inside libssh2 only, is built from source and linked in: its build is written in perl.
  nativeBuildInputs = [ perl ];
  strictDeps = true;

  postPatch = lib.optionalString (sqlDir != null) ''
    rm -r sql
    cp -r ${sqlDir} sql
    chmod -R u+w sql
  '';

  buildType = "dist";
  cargoBuildFlags = [ "--package" "mer" ];
  # The tests are a check of their own (checks.nix): they want servers, and the static build does not wait for them.
  doCheck = false;

  postInstall = ''
    ln -s mer "$out/bin/mer-driver"
    ln -s mer "$out/bin/mer-migrations"
    install -Dm755 -t "$out/share/mer" startStopScripts/*.sh
    install -Dm644 -t "$out/share/doc/mer" LICENSE
  ''
  # Where the program cannot run here (built for another architecture), it goes without.
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    install -d "$out/share/bash-completion/completions" "$out/share/zsh/site-functions" "$out/share/fish/vendor_completions.d"
    "$out/bin/mer" completions bash >"$out/share/bash-completion/completions/mer"
    "$out/bin/mer" completions zsh >"$out/share/zsh/site-functions/_mer"
    "$out/bin/mer" completions fish >"$out/share/fish/vendor_completions.d/mer.fish"
  '';

  meta = {
    description = "Model Executor Runtime: runs models over pipes and keeps a record of every run";
    # MER's own. The engine inside is under the Business Source License 1.1 (docs/licences.md); naming that here would make
    # nixpkgs refuse to evaluate the package without allowUnfree.
    license = lib.licenses.mit;
    mainProgram = "mer";
    platforms = lib.platforms.linux;
  };
}
